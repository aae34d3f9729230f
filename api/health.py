"""For load balancers and Prometheus: alive, able to serve, and the numbers."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from temporalio.client import Client

from api.metrics import Metrics
from api.pages import health_page, metrics_page, readiness_page
from api.temporal_calls import answered_within, unavailable

CHECK_SECONDS: Final = 2.0


def health_router(client: Client, metrics: Metrics) -> APIRouter:
    """The routes that need no key."""
    router = APIRouter()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        async with answered_within(CHECK_SECONDS):
            if not await client.service_client.check_health(timeout=timedelta(seconds=CHECK_SECONDS)):
                raise unavailable("it says that it is not serving")
        return JSONResponse({"status": "ready"})

    async def show_metrics(_: Request) -> Response:
        return Response(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    router.add_api_route("/healthz", healthz, **health_page())
    router.add_api_route("/readyz", readyz, **readiness_page())
    router.add_api_route("/metrics", show_metrics, **metrics_page())
    return router
