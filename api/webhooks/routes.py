"""The provider's notifications: accepted when the signature is valid, acknowledged when Temporal has them."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import WithJsonSchema

from api.admission.lanes import Lane
from api.http import problems
from api.http.bodies import read_bytes
from api.http.ordered_route import OrderedRoute, Reads
from api.http.problems import Problem
from api.http.schemas import StatusResponse
from api.metrics import Metrics
from api.openapi.examples import EVENT
from api.openapi.responses import problem_responses, responds
from api.webhooks.event_batches import EventBatches
from api.webhooks.event_reading import EventReading
from api.webhooks.stripe_events import read_event, verify

#: Events carry whole objects, with all that is expanded in them; Stripe names no limit.
MAX_EVENT_BYTES: Final = 1024 * 1024
#: A body that is received as bytes, because they are signed; so FastAPI has no model of it.
_EVENT_BODY: Final = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object", "description": "https://docs.stripe.com/api/events/object"},
            "examples": {"a payment": {"value": EVENT}},
        }
    },
}

router = APIRouter(tags=["webhooks"], route_class=OrderedRoute)


@dataclass(frozen=True)
class WebhookServices:
    """What this route needs: ``app.state.webhooks``."""

    secrets: tuple[str, ...]
    reading: EventReading
    lane: Lane
    batches: EventBatches
    metrics: Metrics


def webhooks_of(request: Request) -> WebhookServices:
    """The services of the app that has the request."""
    webhooks: WebhookServices = request.app.state.webhooks
    return webhooks


def _signature(request: Request) -> str | None:
    values = request.headers.getlist("stripe-signature")
    return values[0] if len(values) == 1 else None


Signature = Annotated[
    str | None,
    WithJsonSchema({"type": "string"}),
    Header(
        alias="Stripe-Signature",
        description="`t=TIME,v1=SIGNATURE` over the exact bytes of the body "
        "(https://docs.stripe.com/webhooks/signature); not older than 300 seconds",
        openapi_examples={
            "a signature": {"value": "t=1763890200,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"}
        },
    ),
    Reads(_signature),
]


@router.post(
    "/v1/webhooks/stripe",
    operation_id="receiveStripeEvent",
    summary="Receive an event of the provider",
    responses={
        200: responds(StatusResponse, "It is safe, and need not be sent again", example={"status": "accepted"}),
        **problem_responses(
            problems.INVALID_SIGNATURE,
            problems.MALFORMED_JSON,
            problems.INVALID_EVENT,
            problems.REQUEST_TIMEOUT,
            problems.BODY_TOO_LARGE,
            problems.OVERLOADED,
            *problems.OF_ANY_ROUTE,
        ),
    },
    openapi_extra={"requestBody": _EVENT_BODY},
)
async def receive_event(
    request: Request, webhooks: Annotated[WebhookServices, Depends(webhooks_of)], signature: Signature
) -> Response:
    """2xx once Temporal has the event: `accepted`, `duplicate` (Temporal had it before) or `ignored` (it concerns no
    payment). An event only makes the checkout look at the payment; what the provider then says decides. At most 1 MiB.
    """
    try:
        outcome = await _receive(request, webhooks, signature)
    except Problem as problem:
        webhooks.metrics.webhook(problem.kind.code)
        raise
    webhooks.metrics.webhook(outcome)
    return JSONResponse({"status": outcome})


async def _receive(request: Request, webhooks: WebhookServices, signature: str | None) -> str:
    with webhooks.reading.place() as limit:
        raw = await read_bytes(request, MAX_EVENT_BYTES, limit)
    verify(raw, signature, webhooks.secrets)
    event = read_event(raw)
    if event is None:
        return "ignored"
    with webhooks.lane.place():
        return "accepted" if await webhooks.batches.take(event) else "duplicate"
