"""The provider's notifications: taken when they are genuine, answered when they are safe with Temporal."""

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from temporalio.client import Client

from api.admission.lanes import Lane
from api.http.bodies import read_bytes
from api.http.problems import Problem
from api.metrics import Metrics
from api.openapi.support_operations import webhook_page
from api.webhooks.event_batches import EventBatches
from api.webhooks.event_reading import EventReading
from api.webhooks.stripe_events import read_event, verify
from checkout.config.settings import ApiSettings

#: Events carry whole objects, with all that is expanded in them; Stripe names no limit.
MAX_EVENT_BYTES: Final = 1024 * 1024


class WebhookRoutes:
    """The handler, with what it needs."""

    def __init__(self, settings: ApiSettings, client: Client, metrics: Metrics) -> None:
        self._secrets = settings.webhook_secrets
        self._reading = EventReading(settings.api_max_requests)
        self._lane = Lane(settings.api_max_requests, metrics)
        self._batches = EventBatches(client)
        self._metrics = metrics

    def router(self) -> APIRouter:
        """The routes that the provider calls."""
        router = APIRouter()
        router.add_api_route("/v1/webhooks/stripe", self.receive, methods=["POST"], **webhook_page())
        return router

    async def receive(self, request: Request) -> Response:
        """Take an event. With a 2xx it is never lost; with anything else, the provider sends it again."""
        try:
            outcome = await self._receive(request)
        except Problem as problem:
            self._metrics.webhook(problem.kind.code)
            raise
        self._metrics.webhook(outcome)
        return JSONResponse({"status": outcome})

    async def _receive(self, request: Request) -> str:
        with self._reading.place() as limit:
            raw = await read_bytes(request, MAX_EVENT_BYTES, limit)
        verify(raw, _only(request.headers.getlist("stripe-signature")), self._secrets)
        event = read_event(raw)
        if event is None:
            return "ignored"
        with self._lane.place():
            return "accepted" if await self._batches.take(event) else "duplicate"


def _only(values: list[str]) -> str | None:
    return values[0] if len(values) == 1 else None
