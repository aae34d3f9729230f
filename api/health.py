"""For load balancers and Prometheus: alive, able to serve, and the metrics. None of these routes needs a key."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from temporalio.client import Client

from api.http import problems
from api.http.ordered_route import OrderedRoute
from api.http.problems import Problem
from api.http.schemas import StatusResponse
from api.metrics import Metrics
from api.openapi.responses import problem_responses, responds
from api.support.overview import Overviews
from api.temporal.calls import response_within, unavailable

CHECK_SECONDS: Final = 2.0
_log = logging.getLogger("checkout.api")

router = APIRouter(tags=["operations"], route_class=OrderedRoute)


@dataclass(frozen=True)
class OperationServices:
    """What these routes need: ``app.state.operations``."""

    client: Client
    metrics: Metrics
    overviews: Overviews


def operations_of(request: Request) -> OperationServices:
    """The services of the app that has the request."""
    operations: OperationServices = request.app.state.operations
    return operations


InOperations = Annotated[OperationServices, Depends(operations_of)]


@router.get(
    "/healthz",
    operation_id="getHealth",
    summary="Is it alive?",
    responses={200: responds(StatusResponse, "alive", example={"status": "alive"})},
)
async def healthz() -> Response:
    """Always, if it responds."""
    return JSONResponse({"status": "alive"})


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Can it serve?",
    responses={
        200: responds(StatusResponse, "ready", example={"status": "ready"}),
        **problem_responses(*problems.OF_ANY_ROUTE),
    },
)
async def readyz(operations: InOperations) -> Response:
    """If Temporal can be reached."""
    async with response_within(CHECK_SECONDS):
        if not await operations.client.service_client.check_health(timeout=timedelta(seconds=CHECK_SECONDS)):
            raise unavailable("it reports that it is not serving")
    return JSONResponse({"status": "ready"})


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics",
    response_class=PlainTextResponse,
    response_description="Prometheus text format",
)
async def show_metrics(operations: InOperations) -> Response:
    """For Prometheus."""
    await _update(operations)
    return Response(operations.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _update(operations: OperationServices) -> None:
    """Read the numbers that Temporal knows; while it cannot be reached the old ones stay, with their timestamp."""
    try:
        async with response_within(CHECK_SECONDS):
            operations.metrics.show(await operations.overviews.latest())
    except Problem as problem:
        _log.warning("cannot read Temporal; the metrics keep their last values: %s", problem.detail)
