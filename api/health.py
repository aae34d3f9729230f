"""For load balancers and Prometheus: alive, able to serve, and the numbers."""

import logging
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from temporalio.client import Client

from api.http.problems import Problem
from api.metrics import Metrics
from api.openapi.operations import health_page, metrics_page, readiness_page
from api.support.overview import Overviews
from api.temporal.calls import answered_within, unavailable

CHECK_SECONDS: Final = 2.0
_log = logging.getLogger("checkout.api")


def health_router(client: Client, metrics: Metrics, overviews: Overviews) -> APIRouter:
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
        await _look(overviews, metrics)
        return Response(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    router.add_api_route("/healthz", healthz, **health_page())
    router.add_api_route("/readyz", readyz, **readiness_page())
    router.add_api_route("/metrics", show_metrics, **metrics_page())
    return router


async def _look(overviews: Overviews, metrics: Metrics) -> None:
    """Bring the numbers that Temporal knows up to date; while it is away the old ones stay, and their time says so."""
    try:
        async with answered_within(CHECK_SECONDS):
            metrics.show(await overviews.latest())
    except Problem as problem:
        _log.warning("the metrics show old numbers: %s", problem.detail)
