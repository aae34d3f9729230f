"""The API's composition root: one FastAPI app from its settings and a client of Temporal."""

import asyncio
import time

from fastapi import FastAPI
from temporalio.client import Client

from api.checkouts import CheckoutRoutes
from api.desk import CheckoutDesk
from api.errors import install_error_handlers
from api.gate import Gate
from api.head import HeadMiddleware
from api.health import health_router
from api.lanes import LanesMiddleware
from api.metrics import Metrics, MetricsMiddleware
from api.openapi import describe_api
from api.overview import Overviews
from api.room import Room
from api.support import SupportRoutes
from api.support_desk import SupportDesk
from api.webhooks import WebhookRoutes
from checkout.config import ApiSettings


def create_app(settings: ApiSettings, client: Client, closing: asyncio.Event | None = None) -> FastAPI:
    """The whole API. The client stays the caller's; set ``closing`` to send home those who wait for a checkout."""
    metrics, overviews, closing = Metrics(), Overviews(client), closing or asyncio.Event()
    desk, room = CheckoutDesk(client), Room(settings.api_shed_above_seconds, time.monotonic)
    gate = Gate(room, desk, metrics, closing)
    # A path with a slash too many is a 404; a redirect would turn a POST into a puzzle.
    app = FastAPI(redirect_slashes=False, redoc_url=None)
    install_error_handlers(app)
    app.add_middleware(LanesMiddleware, limit=settings.api_max_requests, metrics=metrics)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(HeadMiddleware)
    app.include_router(CheckoutRoutes(settings, desk, gate, metrics, closing).router())
    app.include_router(SupportRoutes(settings, SupportDesk(client, overviews, settings.temporal_ui_url)).router())
    app.include_router(WebhookRoutes(settings, client, metrics).router())
    app.include_router(health_router(client, metrics, overviews))
    describe_api(app)
    return app
