"""The API's composition root: one FastAPI app from its settings and a client of Temporal."""

import asyncio
import time

from fastapi import FastAPI
from temporalio.client import Client

from api.admission.gate import Gate
from api.admission.lanes import LanesMiddleware
from api.admission.room import Room
from api.health import health_router
from api.http.head import HeadMiddleware
from api.http.problems import install_error_handlers
from api.metrics import Metrics, MetricsMiddleware
from api.openapi.document import describe_api
from api.storefront.routes import CheckoutRoutes
from api.storefront.service import CheckoutService
from api.support.overview import Overviews
from api.support.routes import SupportRoutes
from api.support.service import SupportService
from api.webhooks.routes import WebhookRoutes
from checkout.config.settings import ApiSettings


def create_app(settings: ApiSettings, client: Client, closing: asyncio.Event | None = None) -> FastAPI:
    """The whole API. The client stays the caller's; set ``closing`` to send home those who wait for a checkout."""
    metrics, overviews, closing = Metrics(), Overviews(client), closing or asyncio.Event()
    desk, room = CheckoutService(client), Room(settings.api_shed_above_seconds, time.monotonic)
    gate = Gate(room, desk, metrics, closing)
    # A path with a slash too many is a 404; a redirect would turn a POST into a puzzle.
    app = FastAPI(redirect_slashes=False, redoc_url=None)
    install_error_handlers(app)
    app.add_middleware(LanesMiddleware, limit=settings.api_max_requests, metrics=metrics)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(HeadMiddleware)
    app.include_router(CheckoutRoutes(settings, desk, gate, metrics, closing).router())
    app.include_router(SupportRoutes(settings, SupportService(client, overviews, settings.temporal_ui_url)).router())
    app.include_router(WebhookRoutes(settings, client, metrics).router())
    app.include_router(health_router(client, metrics, overviews))
    describe_api(app)
    return app
