"""Clients of a running stack: its routes, its shelves and its provider, for tests that are not asynchronous."""

import asyncio
import csv
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from checkout.cli.catalogue_file import COLUMNS, import_catalogue
from checkout.config.settings import DatabaseSettings
from checkout.db.session import create_engine
from tests.support.invariants import violations
from tests.support.tables import Shelf, Tables

Json = dict[str, Any]
T = TypeVar("T")

#: Answers that ask for the same request again.
AGAIN = frozenset({429, 503})
#: How long anything may take that has to come to an end once the provider is well.
TIMEOUT_SECONDS = 60.0
WELL: Json = {"error_rate": 0, "lost_response_rate": 0, "latency_ms": 0, "outage": False, "webhooks": "normal"}


@dataclass(frozen=True)
class Article:
    """One article of the catalogue; the price is in minor units."""

    sku: str
    price_minor: int
    currency: str
    on_hand: int


@dataclass(frozen=True)
class StackClient:
    """Clients of the three servers, and the address of the database. Blocking, so not for an event loop's thread."""

    storefront: httpx.Client
    support: httpx.Client
    provider: httpx.Client
    database_url: str

    def insist(self, client: httpx.Client, method: str, path: str, **request: Any) -> httpx.Response:
        """The first response that is one; whoever is asked to come again, comes again with the same request.

        Each is printed: what a real shop returns in time is not the same each time, so a failure may not come again.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            response = client.request(method, path, **request)
            print(f"{method} {path} {request} -> {response.status_code} {response.text}", file=sys.stderr)  # noqa: T201
            is_stale = response.headers.get("Checkout-View") == "stale"
            if (response.status_code not in AGAIN and not is_stale) or time.monotonic() > deadline:
                assert response.status_code < 500, response.text
                return response
            time.sleep(float(response.headers["Retry-After"]))

    def look(self, checkout_id: str, *, wait_seconds: int = 0, unless: str | None = None) -> httpx.Response:
        """The view of the storefront, once it has settled, or once it is another than the one with this tag."""
        headers = {"Prefer": f"wait={wait_seconds}"} if wait_seconds else {}
        headers |= {"If-None-Match": unless} if unless else {}
        return self.insist(self.storefront, "GET", f"/v1/checkouts/{checkout_id}", headers=headers)

    def support_does(self, checkout_id: str, action: str, **body: Any) -> httpx.Response:
        """One of support's actions."""
        path, sent = f"/v1/support/checkouts/{checkout_id}/{action}", {"reason": "a property test", **body}
        return self.insist(self.support, "POST", path, json=sent)

    def set_faults(self, **faults: Any) -> None:
        """Have the provider misbehave."""
        self.provider.post("/sandbox/faults", json=faults).raise_for_status()

    def recover(self) -> None:
        """Have the provider serve everything again."""
        self.provider.post("/sandbox/recover").raise_for_status()

    def ledger(self) -> Json:
        """The provider's own books."""
        return dict(self.provider.get("/sandbox/ledger").raise_for_status().json())

    def stock_up(self, articles: list[Article]) -> None:
        """Bring new articles into the catalogue, as ``checkout catalog import`` does."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "catalogue.csv"
            with path.open("w", newline="") as file:
                rows = ((a.sku, f"Article {a.sku}", a.price_minor, a.currency, a.on_hand) for a in articles)
                csv.writer(file).writerows([COLUMNS, *rows])
            self._with_engine(lambda engine: import_catalogue(engine, path))

    def receive(self, sku: str, units: int) -> None:
        """So many units come in while others are being sold."""
        self._change("on_hand = on_hand + :value, received = received + :value", sku, units)

    def reprice(self, sku: str, price_minor: int) -> None:
        """The article costs so much from now on."""
        self._change("price_minor = :value", sku, price_minor)

    def shelf(self, sku: str) -> Shelf:
        """How many units are on hand, and how many of them are held."""
        return self._with_engine(lambda engine: Tables(engine).shelf(sku))

    def violations(self) -> list[str]:
        """Every invariant that is broken: of those for always now, of those for eventually in the end."""
        always = self._with_engine(lambda engine: violations(engine, at_rest=False))
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not always:
            eventually = self._with_engine(violations)
            if not eventually or time.monotonic() > deadline:
                return eventually
            time.sleep(0.2)
        return always

    def _change(self, assignment: str, sku: str, value: int) -> None:
        async def write(engine: AsyncEngine) -> None:
            async with engine.begin() as connection:
                statement = text(f"UPDATE products SET {assignment} WHERE sku = :sku")
                await connection.execute(statement, {"sku": sku, "value": value})

        self._with_engine(write)

    def _with_engine(self, use: Callable[[AsyncEngine], Awaitable[T]]) -> T:
        async def run() -> T:
            engine = create_engine(DatabaseSettings(url=SecretStr(self.database_url)))
            try:
                return await use(engine)
            finally:
                await engine.dispose()

        return asyncio.run(run())


@contextmanager
def connect_to_stack(info: Json) -> Iterator[StackClient]:
    """Clients of a stack, from the JSON line that it has printed."""

    def client(url: str, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {info[key]}"} if key else {}
        return httpx.Client(base_url=info[url], headers=headers, timeout=60, trust_env=False)

    with (
        client("api_url", "storefront_key") as storefront,
        client("api_url", "support_key") as support,
        client("sandbox_url") as provider,
    ):
        yield StackClient(storefront, support, provider, info["database_url"])
