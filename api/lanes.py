"""Lanes: how many requests of each kind are answered at once, so that no kind keeps another out.

A request over its lane's limit is refused before anything is read of it. New checkouts, what becomes of those that are
there, support and the provider each have a lane; health and metrics have none, and are always answered.
"""

import random
from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import OVERLOADED, Problem, answer_problem
from api.metrics import Metrics

#: Everything whose address begins so, in this order.
_LANES: Final = (("/v1/checkouts", "checkouts"), ("/v1/support", "support"), ("/v1/webhooks", "webhooks"))


class LanesMiddleware:
    """Counts the requests in progress, as plain ASGI."""

    def __init__(self, app: ASGIApp, limit: int, metrics: Metrics) -> None:
        self._app = app
        self._limit = limit
        self._metrics = metrics
        self._busy: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        lane = _lane(scope) if scope["type"] == "http" else None
        if lane is None:
            return await self._app(scope, receive, send)
        if self._busy[lane] >= self._limit:
            self._metrics.refused(OVERLOADED.code)
            return await answer_problem(_full())(scope, receive, send)
        self._busy[lane] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._busy[lane] -= 1


def _lane(scope: Scope) -> str | None:
    path = scope["path"]
    if path == "/v1/checkouts" and scope["method"] == "POST":
        return "new checkouts"
    return next((lane for beginning, lane in _LANES if path.startswith(beginning)), None)


def _full() -> Problem:
    seconds = random.randint(1, 5)  # noqa: S311 - another for everybody, so that they do not come back at once
    return Problem(OVERLOADED, "This API answers as many requests as it can.", headers={"Retry-After": str(seconds)})
