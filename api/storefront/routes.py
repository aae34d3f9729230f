"""The storefront's routes: start a checkout, look at it, pay in another way, cancel it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response

from api.admission.gate import Gate
from api.http import problems
from api.http.auth import StorefrontCaller
from api.http.idempotency import Ownership, derive_checkout_id, derive_update_key, fingerprint
from api.http.ordered_route import OrderedRoute, Unread
from api.http.parameters import CheckoutId, IdempotencyKey, IfNoneMatch, OptionalIdempotencyKey, PreferredWait
from api.metrics import Metrics
from api.openapi.declared_headers import VIEW_HEADERS
from api.openapi.examples import CHECKOUT, VIEWS
from api.openapi.responses import bodiless, problem_responses, responds
from api.storefront.long_poll import LongPoll
from api.storefront.responses import location, render, respond
from api.storefront.schemas import CancelBody, CheckoutBody, CheckoutResponse, PaymentBody
from api.storefront.service import CheckoutService
from checkout.domain.messages import Timeouts

router = APIRouter(tags=["checkouts"], route_class=OrderedRoute)


@dataclass(frozen=True)
class StorefrontServices:
    """What these routes need: ``app.state.storefront``."""

    id_secret: bytes
    timeouts: Timeouts
    service: CheckoutService
    gate: Gate
    metrics: Metrics
    long_poll: LongPoll


def storefront_of(request: Request) -> StorefrontServices:
    """The services of the app that has the request."""
    storefront: StorefrontServices = request.app.state.storefront
    return storefront


InStorefront = Annotated[StorefrontServices, Depends(storefront_of)]


@router.post(
    "/v1/checkouts",
    operation_id="createCheckout",
    summary="Start a checkout",
    status_code=202,
    responses={
        202: responds(
            CheckoutResponse,
            "It is accepted, and in progress",
            examples=["processing"],
            headers=["Location", "Idempotent-Replayed", *VIEW_HEADERS],
        ),
        200: responds(
            CheckoutResponse,
            "It settled within `Prefer: wait`",
            examples=["confirmed", "cancelled"],
            headers=["Location", "Idempotent-Replayed", "Preference-Applied", *VIEW_HEADERS],
        ),
        **problem_responses(
            *problems.OF_CALLERS,
            problems.IDEMPOTENCY_KEY_MISSING,
            problems.IDEMPOTENCY_KEY_MALFORMED,
            *problems.OF_BODIES,
            problems.IDEMPOTENCY_KEY_REUSED,
            problems.CHECKOUT_FAILED,
            problems.TOO_MANY_REQUESTS,
            problems.ARTICLE_IN_DEMAND,
            *problems.OF_ANY_ROUTE,
        ),
    },
)
async def create_checkout(
    request: Request,
    storefront: InStorefront,
    caller: StorefrontCaller,
    idempotency_key: IdempotencyKey,
    sent: Annotated[Unread[CheckoutBody], Body(openapi_examples={"two mugs": {"value": CHECKOUT}})],
    wait_seconds: PreferredWait = None,
) -> Response:
    """Responds 202 as soon as the checkout is safe with Temporal. With `Prefer: wait=N` it responds 200 once the
    checkout is no longer `processing` or `compensating`, or 202 when the time is up.
    """
    checkout_id = derive_checkout_id(storefront.id_secret, caller.name, idempotency_key)
    storefront.gate.knock(caller.name, checkout_id)
    checkout = (await sent.read()).to_request(checkout_id, _now(), storefront.timeouts)

    admitted = await storefront.gate.enter(checkout, Ownership(caller.name, fingerprint(checkout)))
    accepted = admitted.accepted
    (storefront.metrics.replayed if accepted.is_replay else storefront.metrics.started).inc()

    headers = {"Location": location(checkout_id)}
    if accepted.is_replay:
        headers["Idempotent-Replayed"] = "true"
    return await storefront.long_poll.until_settled(request, accepted.snapshot, headers, wait_seconds, admitted.rest)


@router.get(
    "/v1/checkouts/{id}",
    operation_id="getCheckout",
    summary="Look at a checkout",
    responses={
        200: responds(
            CheckoutResponse, "The view", examples=list(VIEWS), headers=["Preference-Applied", *VIEW_HEADERS]
        ),
        304: bodiless("The client has this view", headers=VIEW_HEADERS),
        **problem_responses(
            *problems.OF_CALLERS,
            problems.UNKNOWN_CHECKOUT,
            problems.CHECKOUT_FAILED,
            *problems.OF_ANY_ROUTE,
        ),
    },
)
async def get_checkout(
    request: Request,
    storefront: InStorefront,
    caller: StorefrontCaller,
    checkout_id: CheckoutId,
    known_tags: IfNoneMatch,
    wait_seconds: PreferredWait = None,
) -> Response:
    """With `Prefer: wait=N` the response is held: until the view differs from every tag in `If-None-Match`, or, without
    that header, until the checkout is no longer `processing` or `compensating`.
    """
    snapshot = await storefront.service.look_up(checkout_id, caller.name)
    return await storefront.long_poll.until_changed(request, snapshot, known_tags, wait_seconds)


@router.post(
    "/v1/checkouts/{id}/payment",
    operation_id="submitPayment",
    summary="Pay in another way",
    status_code=202,
    responses={
        202: responds(
            CheckoutResponse,
            "It is accepted, and in progress",
            examples=["processing"],
            headers=["Location", *VIEW_HEADERS],
        ),
        200: responds(
            CheckoutResponse,
            "It settled within `Prefer: wait`",
            examples=["confirmed", "awaiting_payment"],
            headers=["Location", "Preference-Applied", *VIEW_HEADERS],
        ),
        **problem_responses(
            *problems.OF_CALLERS,
            problems.IDEMPOTENCY_KEY_MALFORMED,
            *problems.OF_BODIES,
            problems.IDEMPOTENCY_KEY_REUSED,
            problems.UNKNOWN_CHECKOUT,
            problems.NO_PAYMENT_AWAITED,
            *problems.OF_UPDATES,
            problems.CHECKOUT_FAILED,
            *problems.OF_ANY_ROUTE,
        ),
    },
)
async def submit_payment(
    request: Request,
    storefront: InStorefront,
    caller: StorefrontCaller,
    checkout_id: CheckoutId,
    sent: Annotated[
        Unread[PaymentBody], Body(openapi_examples={"another card": {"value": {"payment_method": "pm_card_visa"}}})
    ],
    idempotency_key: OptionalIdempotencyKey = None,
    wait_seconds: PreferredWait = None,
) -> Response:
    """After a decline, or instead of doing what `next_action` asks, the customer tries again; the stock stays held.
    With `Prefer: wait=N` it responds 200 once the checkout has settled, or 202 when the time is up.
    """
    body = await sent.read()
    update_key = derive_update_key("payment", caller.name, idempotency_key)
    snapshot = await storefront.service.submit_payment(checkout_id, caller.name, body.payment_method, update_key)
    headers = {"Location": location(checkout_id)}
    return await storefront.long_poll.until_settled(request, snapshot, headers, wait_seconds)


@router.post(
    "/v1/checkouts/{id}/cancel",
    operation_id="cancelCheckout",
    summary="Cancel a checkout",
    status_code=202,
    responses={
        202: responds(
            CheckoutResponse,
            "It is being undone, or it is already",
            examples=["cancelled"],
            headers=["Location", *VIEW_HEADERS],
        ),
        **problem_responses(
            *problems.OF_CALLERS,
            *problems.OF_BODIES,
            problems.UNKNOWN_CHECKOUT,
            problems.NOT_CANCELLABLE,
            *problems.OF_UPDATES,
            problems.CHECKOUT_FAILED,
            *problems.OF_ANY_ROUTE,
        ),
    },
    openapi_extra={"requestBody": {"required": False}},
)
async def cancel_checkout(
    storefront: InStorefront,
    caller: StorefrontCaller,
    checkout_id: CheckoutId,
    sent: Annotated[Unread[CancelBody], Body(openapi_examples={"nothing": {"value": {}}})],
) -> Response:
    """Everything that was done is undone: money is refunded, stock is released. A second request changes nothing."""
    await sent.read_if_any()
    snapshot = await storefront.service.cancel(checkout_id, caller.name)
    return respond(render(snapshot), 202, {"Location": location(checkout_id)})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
