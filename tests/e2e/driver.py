"""A storefront, a support agent and a judge, all from outside: HTTP, the tables, and the provider's ledger."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from pydantic import SecretStr

from checkout.config.settings import DatabaseSettings
from checkout.db.session import create_engine
from tests.support.dev_process import DevProcess
from tests.support.invariants import violations

FINAL = {"confirmed", "cancelled", "rejected"}
#: Statuses after which a client should ask again.
TRY_AGAIN = {429, 503}
LINES = [{"sku": "MUG-WHITE", "quantity": 1}, {"sku": "MUG-BLACK", "quantity": 2}]


class Driver:
    """Asks again, with the same key, whatever was refused for now or got lost on the way."""

    def __init__(self, shop: httpx.AsyncClient, support: httpx.AsyncClient, sandbox: httpx.AsyncClient) -> None:
        self.shop = shop
        self.support = support
        self.sandbox = sandbox

    async def start(self, method: str) -> dict[str, Any]:
        """A checkout that was accepted."""
        body = {"customer_id": "cus_42", "currency": "EUR", "lines": LINES, "payment_method": method}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return await self._insist(self.shop, "POST", "/v1/checkouts", json=body, headers=headers)

    async def until(self, checkout_id: str, *statuses: str) -> dict[str, Any]:
        """The checkout once it is in one of these states, or final."""
        while True:
            path, headers = f"/v1/checkouts/{checkout_id}", {"Prefer": "wait=5"}
            view = await self._insist(self.shop, "GET", path, headers=headers)
            if view["status"] in FINAL or view["status"] in statuses:
                return view
            await asyncio.sleep(0.05)

    async def end(self, checkout_id: str) -> dict[str, Any]:
        """The checkout once it has ended."""
        return await self.until(checkout_id)

    async def faults(self, **faults: Any) -> None:
        """Have the provider misbehave."""
        (await self.sandbox.post("/sandbox/faults", json=faults)).raise_for_status()

    async def ledger(self) -> dict[str, Any]:
        """The provider's own books."""
        return dict((await self.sandbox.get("/sandbox/ledger")).raise_for_status().json())

    async def _insist(self, client: httpx.AsyncClient, verb: str, path: str, **more: Any) -> dict[str, Any]:
        while True:
            with suppress(httpx.TransportError):
                response = await client.request(verb, path, **more)
                if response.status_code < 300:
                    return dict(response.json())
                assert response.status_code in TRY_AGAIN, response.text
            await asyncio.sleep(0.1)


@asynccontextmanager
async def driving(stack: DevProcess) -> AsyncIterator[Driver]:
    """A driver of the stack."""

    def client(url: str, key: str = "") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {stack.info[key]}"} if key else {}
        return httpx.AsyncClient(base_url=stack.info[url], headers=headers, timeout=30, trust_env=False)

    async with (
        client("api_url", "storefront_key") as shop,
        client("api_url", "support_key") as support,
        client("sandbox_url") as sandbox,
    ):
        yield Driver(shop, support, sandbox)


async def everything_agrees(stack: DevProcess, driver: Driver, views: list[dict[str, Any]]) -> None:
    """Stock, orders and money agree, by the tables and by the provider's ledger."""
    engine = create_engine(DatabaseSettings(url=SecretStr(stack.info["database_url"])))
    try:
        assert await violations(engine) == []
    finally:
        await engine.dispose()
    ledger = await driver.ledger()
    for view in views:
        assert view["status"] in FINAL, view
        intents = [i for i in ledger["intents"] if i["metadata"].get("checkout_id") == view["id"]]
        taken = sum(intent["amount_received"] for intent in intents)
        mine = {intent["id"] for intent in intents}
        given_back = sum(r["amount"] for r in ledger["refunds"] if r["payment_intent"] in mine)
        assert taken - given_back == (view["total_minor"] if view["status"] == "confirmed" else 0), (view, intents)
