"""The metrics for Prometheus: requests by route, method and status; checkouts started or replayed; events received; and
how many checkouts wait for somebody.

No label has an id or anything else that a caller could make up, so the number of series stays small.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.support.overview import Overview

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 31.0)


class Metrics:
    """The metrics of one app, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "checkout_api_requests", "Requests.", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "checkout_api_request_seconds",
            "Seconds from a request to the end of its response, long polls included.",
            ["route", "method"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        accepted = Counter(
            "checkout_api_checkouts", "Checkouts accepted, by whether they were new.", ["kind"], registry=self._registry
        )
        self._overview()
        self._webhooks = Counter(
            "checkout_api_webhooks",
            "Provider events received, by outcome.",
            ["outcome"],
            registry=self._registry,
        )
        self._refused = Counter(
            "checkout_api_refused",
            "Requests refused because of load, by problem code.",
            ["code"],
            registry=self._registry,
        )
        self._under_way = Gauge(
            "checkout_api_under_way", "Checkouts started here that are not at rest.", registry=self._registry
        )
        self._room = Gauge(
            "checkout_api_room",
            "At how many checkouts under way this API process refuses new ones.",
            registry=self._registry,
        )
        self.started = accepted.labels("started")
        self.replayed = accepted.labels("replayed")

    def _overview(self) -> None:
        """Numbers that are read from Temporal now and then."""
        self._open = Gauge(
            "checkout_open_checkouts", "Open checkouts that wait for somebody.", ["status"], registry=self._registry
        )
        self._holds = Gauge(
            "checkout_provider_holds",
            "1 while the provider refuses all payments because of the account or the key, else 0.",
            registry=self._registry,
        )
        self._mismatches = Gauge(
            "checkout_reconcile_mismatches",
            "Mismatches that the last reconciliation could not repair; NaN before the first one.",
            registry=self._registry,
        )
        self._mismatches.set(math.nan)
        self._read_at = Gauge(
            "checkout_overview_timestamp_seconds",
            "When the three metrics above were last read from Temporal (Unix time); 0 before the first time.",
            registry=self._registry,
        )

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        known_method = method if method in _METHODS else "other"
        self._requests.labels(route, known_method, status).inc()
        self._seconds.labels(route, known_method).observe(seconds)

    def webhook(self, outcome: str) -> None:
        """Count one event of the provider: accepted, duplicate, ignored, or the code of its problem."""
        self._webhooks.labels(outcome).inc()

    def refused(self, code: str) -> None:
        """Count one request that was shed."""
        self._refused.labels(code).inc()

    def show_room(self, under_way: Callable[[], float], limit: Callable[[], float]) -> None:
        """Show the results of these two functions from now on."""
        self._under_way.set_function(under_way)
        self._room.set_function(limit)

    def show(self, overview: Overview) -> None:
        """Show these numbers until newer ones are known."""
        for status, count in overview.waiting.items():
            self._open.labels(status).set(count)
        self._holds.set(overview.holds)
        self._mismatches.set(math.nan if overview.mismatches is None else overview.mismatches)
        self._read_at.set(overview.read_at)

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)


class MetricsMiddleware:
    """Measures every request, as plain ASGI: without a task or a copy of the body."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count its status and its time."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.observe(route, scope["method"], status, time.perf_counter() - started)
