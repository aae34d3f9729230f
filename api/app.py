"""The API's composition root: one FastAPI app from its settings and a client of Temporal."""

import asyncio
import time

from fastapi import FastAPI
from temporalio.client import Client

from api import health
from api.admission.gate import Gate
from api.admission.lanes import Lane, LanesMiddleware
from api.admission.room import Room
from api.health import OperationServices
from api.http.auth import Keyring
from api.http.head import HeadMiddleware
from api.http.problems import install_error_handlers
from api.metrics import Metrics, MetricsMiddleware
from api.openapi.document import describe_api
from api.storefront import routes as storefront
from api.storefront.long_poll import LongPoll
from api.storefront.service import CheckoutService
from api.support import routes as support
from api.support.cursors import CursorSeal
from api.support.overview import Overviews
from api.support.service import SupportService
from api.webhooks import routes as webhooks
from api.webhooks.event_batches import EventBatches
from api.webhooks.event_reading import EventReading
from checkout.config.settings import ApiSettings


def create_app(settings: ApiSettings, client: Client, closing: asyncio.Event | None = None) -> FastAPI:
    """The whole API. The caller keeps the client, and sets ``closing`` to end all long polls."""
    metrics, overviews = Metrics(), Overviews(client)
    # A path with a slash too many is a 404: a redirect would change what happens to a POST.
    app = FastAPI(redirect_slashes=False, redoc_url=None)
    install_error_handlers(app)
    app.add_middleware(LanesMiddleware, limit=settings.api_max_requests, metrics=metrics)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(HeadMiddleware)
    app.state.keyring = Keyring(settings.api_keys)
    app.state.storefront = _storefront(settings, client, metrics, closing or asyncio.Event())
    app.state.support = _support(settings, client, overviews)
    app.state.webhooks = _webhooks(settings, client, metrics)
    app.state.operations = OperationServices(client, metrics, overviews)
    for router in (storefront.router, support.router, webhooks.router, health.router):
        app.include_router(router)
    describe_api(app)
    return app


def _storefront(
    settings: ApiSettings, client: Client, metrics: Metrics, closing: asyncio.Event
) -> storefront.StorefrontServices:
    service, room = CheckoutService(client), Room(settings.api_shed_above_seconds, time.monotonic)
    return storefront.StorefrontServices(
        id_secret=settings.id_secret.get_secret_value().encode(),
        timeouts=settings.timeouts,
        service=service,
        gate=Gate(room, service, metrics, closing),
        metrics=metrics,
        long_poll=LongPoll(service, closing),
    )


def _support(settings: ApiSettings, client: Client, overviews: Overviews) -> support.SupportServices:
    cursors = CursorSeal(settings.id_secret.get_secret_value().encode())
    return support.SupportServices(SupportService(client, overviews, settings.temporal_ui_url), cursors)


def _webhooks(settings: ApiSettings, client: Client, metrics: Metrics) -> webhooks.WebhookServices:
    return webhooks.WebhookServices(
        secrets=settings.webhook_secrets,
        reading=EventReading(settings.api_max_requests),
        lane=Lane(settings.api_max_requests, metrics),
        batches=EventBatches(client),
        metrics=metrics,
    )
