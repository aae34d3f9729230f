"""The customers: whole checkouts over HTTP, as a storefront sends them, and what became of them."""

import asyncio
import itertools
import json
import random
import uuid
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

from checkout_lab.bench.errors import BenchError
from checkout_lab.bench.load.http import KeptConnection, KeptResponse
from checkout_lab.stack.stack import StackInfo

WAIT_SECONDS: Final = 30
_OK, _ACCEPTED = 200, 202
_COME_BACK_LATER = (429, 503)


@dataclass(frozen=True)
class Cart:
    """What every customer buys: ``lines`` different articles out of those of the bench, one unit of each."""

    skus: tuple[str, ...]
    lines: int = 1
    payment_method: str = "pm_card_visa"


@dataclass
class Tally:
    """What came of all checkouts.

    ``accepted`` have a workflow; ``shed`` were refused for now (429, 503) and sent again; ``unsettled`` were still
    under way after the time that their customer would wait.
    """

    accepted: int = 0
    shed: Counter[int] = field(default_factory=Counter)
    unsettled: int = 0


class Storefront:
    """Sends checkouts with ``Prefer: wait``, each with an idempotency key of its own."""

    name = "checkout"

    def __init__(self, info: StackInfo, cart: Cart, tally: Tally) -> None:
        url = urlsplit(info.api_url)
        self._place = (url.hostname or "", url.port or 80)
        self._key = info.storefront_key
        self._keys = (f"{uuid.uuid4().hex}-{number}" for number in itertools.count())
        self._chance = random.Random(0)  # noqa: S311 - the same carts in every run
        self.cart = cart
        self.tally = tally

    async def connect(self) -> "Customer":
        """One more customer.

        Raises:
            BenchError: the API is away.
        """
        try:
            return Customer(self, await KeptConnection.open(*self._place))
        except OSError as error:
            raise self.away(error) from None

    def away(self, error: Exception) -> BenchError:
        """Make the error that says that the API is away."""
        host, port = self._place
        return BenchError(f"the API at {host}:{port} cannot be reached ({error!r}): nothing is reported")

    def order(self) -> tuple[dict[str, str], bytes]:
        """The headers and the body of the next checkout."""
        skus = self._chance.sample(self.cart.skus, self.cart.lines)
        body = {
            "customer_id": f"bench-{self._chance.randrange(10_000)}",
            "currency": "EUR",
            "lines": [{"sku": sku, "quantity": 1} for sku in skus],
            "payment_method": self.cart.payment_method,
        }
        return self.headers() | {"Idempotency-Key": next(self._keys)}, json.dumps(body).encode()

    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}


class Customer:
    """One customer at a time, on one connection."""

    def __init__(self, storefront: Storefront, connection: KeptConnection) -> None:
        self._storefront = storefront
        self._connection = connection

    async def __call__(self) -> None:
        """Buy, and wait for the end.

        Raises:
            BenchError: the API is away, or responds with what cannot be measured.
        """
        await self._post({"Prefer": f"wait={WAIT_SECONDS}"})

    async def ask_readiness(self) -> None:
        """Ask the API whether it can serve, which it asks Temporal; raises BenchError when the API is away."""
        await self._request("GET", "/readyz", {})

    async def accept(self) -> float:
        """Buy without waiting, and return how long that took in seconds, once the checkout is over.

        Raises:
            BenchError: as above.
        """
        started = perf_counter()
        view = await self._post({})
        elapsed = perf_counter() - started
        while view["status"] in ("processing", "compensating"):
            response = await self._request(
                "GET", f"/v1/checkouts/{view['id']}", self._storefront.headers() | {"Prefer": f"wait={WAIT_SECONDS}"}
            )
            view = json.loads(response.body)
        return elapsed

    async def _post(self, more_headers: dict[str, str]) -> dict[str, Any]:
        headers, body = self._storefront.order()
        tally = self._storefront.tally
        response = await self._request("POST", "/v1/checkouts", headers | more_headers, body)
        while response.status in _COME_BACK_LATER:
            tally.shed[response.status] += 1
            await asyncio.sleep(response.retry_after_seconds)
            response = await self._request("POST", "/v1/checkouts", headers | more_headers, body)
        if response.status not in (_OK, _ACCEPTED):
            raise BenchError(f"the API responded with {response.status}: {response.body.decode(errors='replace')}")
        tally.accepted += 1
        tally.unsettled += bool(more_headers) and response.status == _ACCEPTED
        view: dict[str, Any] = json.loads(response.body)
        return view

    async def _request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> KeptResponse:
        try:
            return await self._connection.request(method, path, headers, body)
        except (OSError, EOFError) as error:
            raise self._storefront.away(error) from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
