"""The support routes: find a checkout, read what happened to it, and act where a person has to."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from api.http import problems
from api.http.auth import Caller, SupportCaller
from api.http.idempotency import derive_update_key
from api.http.ordered_route import OrderedRoute, Reads, Unread
from api.http.parameters import CheckoutId, OptionalIdempotencyKey
from api.http.problems import INVALID_QUERY, Problem, ProblemKind
from api.http.schemas import validate
from api.openapi.declared_headers import VIEW_HEADERS
from api.openapi.responses import Responses, problem_responses, responds
from api.storefront.responses import render, respond
from api.storefront.schemas import CheckoutResponse
from api.support.cursors import CursorPosition, CursorSeal
from api.support.responses import listed, uncached, with_timeline
from api.support.schemas import (
    ListQuery,
    ListResponse,
    PaymentResolution,
    ResolveBody,
    RetryBody,
    SupportCancelBody,
    SupportResponse,
)
from api.support.service import SupportService
from api.temporal.snapshots import Snapshot
from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment
from checkout.domain.states import Reason

_PATH = "/v1/support/checkouts"
_REASON = "ticket 4711: the customer calls again"

router = APIRouter(tags=["support"], route_class=OrderedRoute)


@dataclass(frozen=True)
class SupportServices:
    """What these routes need: ``app.state.support``."""

    service: SupportService
    cursors: CursorSeal


def support_of(request: Request) -> SupportServices:
    """The services of the app that has the request."""
    support: SupportServices = request.app.state.support
    return support


def _list_query(request: Request) -> ListQuery:
    """The filters.

    Raises:
        Problem: 422 for one that is unknown, not valid, or given twice.
    """
    pairs = request.query_params.multi_items()
    parameters: dict[str, object] = dict(pairs)
    if len(parameters) < len(pairs):
        raise Problem(INVALID_QUERY, "A parameter of the query string is given twice.")
    return validate(ListQuery, parameters, INVALID_QUERY)


def _responses_of_action(*refusals: ProblemKind, example: str) -> Responses:
    """What each action responds with; ``refusals`` are those of this one."""
    headers = ["Location", *VIEW_HEADERS]
    return {
        202: responds(CheckoutResponse, "It is done, or on its way", examples=[example], headers=headers),
        **problem_responses(
            *problems.OF_CALLERS,
            problems.IDEMPOTENCY_KEY_MALFORMED,
            *problems.OF_BODIES,
            problems.IDEMPOTENCY_KEY_REUSED,
            problems.UNKNOWN_CHECKOUT,
            *refusals,
            *problems.OF_UPDATES,
            *problems.OF_ANY_ROUTE,
        ),
    }


InSupport = Annotated[SupportServices, Depends(support_of)]


@router.get(
    _PATH,
    operation_id="listCheckouts",
    summary="Find checkouts",
    responses={
        200: responds(ListResponse, "A page", examples=["list"]),
        **problem_responses(*problems.OF_CALLERS, problems.INVALID_QUERY, *problems.OF_ANY_ROUTE),
    },
)
async def list_checkouts(
    support: InSupport, caller: SupportCaller, query: Annotated[ListQuery, Query(), Reads(_list_query)]
) -> Response:
    """All checkouts, newest first, or those that match every filter. A status is the last one that the checkout
    published; the list may show a change, or a new checkout, a moment later.
    """
    after = support.cursors.open(query.cursor, query.filters) if query.cursor is not None else None
    found, mismatches = await support.service.find(query, after)
    page = found[: query.limit]
    has_more = len(found) > len(page)
    last = CursorPosition(page[-1].start_time, page[-1].id) if has_more else None
    body = ListResponse(
        checkouts=tuple([await listed(each, support.service) for each in page]),
        next_cursor=support.cursors.seal(last, query.filters) if last else None,
        mismatches=mismatches,
    )
    return uncached(body)


@router.get(
    f"{_PATH}/{{id}}",
    operation_id="getSupportCheckout",
    summary="Read everything about a checkout",
    responses={
        200: responds(SupportResponse, "The view and the timeline", examples=["stuck"], headers=["Checkout-View"]),
        **problem_responses(*problems.OF_CALLERS, problems.UNKNOWN_CHECKOUT, *problems.OF_ANY_ROUTE),
    },
)
async def get_support_checkout(support: InSupport, caller: SupportCaller, checkout_id: CheckoutId) -> Response:
    """The view of any owner's checkout, with every step, attempt, provider event and staff action, and what may be done
    now. It shows a workflow that failed or was terminated as well.
    """
    detail = await support.service.look_up(checkout_id)
    headers = {"Checkout-View": "stale"} if detail.snapshot.is_stale else {}
    return uncached(with_timeline(detail), headers)


@router.post(
    f"{_PATH}/{{id}}/retry-payment",
    operation_id="retryPayment",
    summary="Charge a stuck payment again",
    status_code=202,
    responses=_responses_of_action(
        problems.NOT_STUCK,
        problems.ACTION_UNDER_WAY,
        problems.OUTCOME_STILL_UNKNOWN,
        example="processing",
    ),
)
async def retry_payment(
    support: InSupport,
    caller: SupportCaller,
    checkout_id: CheckoutId,
    sent: Annotated[
        Unread[RetryBody],
        Body(
            openapi_examples={
                "same card": {"value": {"reason": _REASON}},
                "another card": {"value": {"reason": _REASON, "payment_method": "pm_card_visa"}},
            }
        ),
    ],
    idempotency_key: OptionalIdempotencyKey = None,
) -> Response:
    """First the previous try is settled with the provider; only when it can take no money any more, the next is made,
    with the same method or another. Two people who do this at once cause one charge.
    """
    body, actor = await sent.read(), _actor(caller)
    command = RetryPayment(actor, body.reason, body.payment_method)
    key = derive_update_key("retry", actor, idempotency_key)
    return _accepted(await support.service.retry_payment(checkout_id, command, key))


@router.post(
    f"{_PATH}/{{id}}/resolve-payment",
    operation_id="resolvePayment",
    summary="Resolve a stuck payment by hand",
    status_code=202,
    responses=_responses_of_action(
        problems.NOT_STUCK,
        problems.ACTION_UNDER_WAY,
        problems.OUTCOME_STILL_UNKNOWN,
        problems.CONTRADICTED_BY_PROVIDER,
        example="processing",
    ),
)
async def resolve_payment(
    support: InSupport,
    caller: SupportCaller,
    checkout_id: CheckoutId,
    sent: Annotated[
        Unread[ResolveBody],
        Body(
            openapi_examples={
                "captured": {
                    "value": {
                        "outcome": "captured",
                        "provider_reference": "pi_3SWkQH2eZvKYlo2C",
                        "reason": "seen in the dashboard",
                    }
                },
                "not charged": {"value": {"outcome": "not_charged", "reason": "the bank confirms it"}},
            }
        ),
    ],
    idempotency_key: OptionalIdempotencyKey = None,
) -> Response:
    """For what only a person can know. The provider is asked first, and its word counts when it responds. When it does
    not, a capture needs the provider's reference as a proof, and `not_charged` ends the checkout as cancelled.
    """
    body, actor = await sent.read(), _actor(caller)
    command = ResolvePayment(actor, body.reason, body.outcome == PaymentResolution.CAPTURED, body.provider_reference)
    key = derive_update_key("resolve", actor, idempotency_key)
    return _accepted(await support.service.resolve_payment(checkout_id, command, key))


@router.post(
    f"{_PATH}/{{id}}/cancel",
    operation_id="cancelCheckoutForSupport",
    summary="Cancel a checkout",
    status_code=202,
    responses=_responses_of_action(
        problems.NOT_CANCELLABLE,
        example="cancelled",
    ),
)
async def cancel_checkout(
    support: InSupport,
    caller: SupportCaller,
    checkout_id: CheckoutId,
    sent: Annotated[Unread[SupportCancelBody], Body(openapi_examples={"on request": {"value": {"reason": _REASON}}})],
    idempotency_key: OptionalIdempotencyKey = None,
) -> Response:
    """Everything that was done is undone: money is refunded, stock is released. A second request changes nothing."""
    body, actor = await sent.read(), _actor(caller)
    command = Cancel(Reason.CANCELLED_BY_SUPPORT, actor, body.reason)
    key = derive_update_key("cancel", actor, idempotency_key)
    return _accepted(await support.service.cancel(checkout_id, command, key))


def _actor(caller: Caller) -> str:
    return f"support:{caller.name}"


def _accepted(snapshot: Snapshot) -> Response:
    return respond(render(snapshot), 202, {"Location": f"{_PATH}/{snapshot.view.id}"})
