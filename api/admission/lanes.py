"""Lanes: how many requests of each kind are handled at once, so that no kind keeps another out.

A request over its lane's limit is refused before anything is read of it. New checkouts, what becomes of those that are
there, and support each have a lane; health and metrics have none, and are always handled. The provider's has its
place taken by the handler, once an event is known to be genuine: until then anybody could keep it.
"""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.problems import OVERLOADED, Problem, problem_response
from api.metrics import Metrics

_NEW_CHECKOUTS: Final = "new checkouts"
#: Everything whose address begins so, in this order.
_LANES: Final = (("/v1/checkouts", "checkouts"), ("/v1/support", "support"))


class Lane:
    """One kind of request, of which ``limit`` are handled at once."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._busy = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one request.

        Raises:
            Problem: 503 when there is none.
        """
        if self._busy >= self._limit:
            self._metrics.refused(OVERLOADED.code)
            raise _full()
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1


class LanesMiddleware:
    """Keeps every request in its lane, as plain ASGI."""

    def __init__(self, app: ASGIApp, limit: int, metrics: Metrics) -> None:
        self._app = app
        self._lanes = {name: Lane(limit, metrics) for name in (_NEW_CHECKOUTS, *dict(_LANES).values())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        name = _lane(scope) if scope["type"] == "http" else None
        with ExitStack() as place:
            if name:
                try:
                    place.enter_context(self._lanes[name].place())
                except Problem as full:
                    return await problem_response(full)(scope, receive, send)
            return await self._app(scope, receive, send)


def _lane(scope: Scope) -> str | None:
    path = scope["path"]
    if path == "/v1/checkouts" and scope["method"] == "POST":
        return _NEW_CHECKOUTS
    return next((lane for beginning, lane in _LANES if path.startswith(beginning)), None)


def _full() -> Problem:
    seconds = random.randint(1, 5)  # noqa: S311 - another for everybody, so that they do not come back at once
    return Problem(
        OVERLOADED,
        "This API process has reached its limit of requests. Send the same request again after Retry-After.",
        headers={"Retry-After": str(seconds)},
    )
