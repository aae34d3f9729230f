"""The API on a port of its own, and a storefront that speaks to it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from temporalio.client import Client

from api.app import create_app
from api.server import ApiServer, listen
from checkout.config.settings import ApiSettings
from tests.support.declared_problems import declares_every_problem

STOREFRONT_KEY = "sk_storefront_0123456789"
OTHER_KEY = "sk_another_one_0123456789"
SUPPORT_KEY = "sk_support_0123456789"


def api_settings(**changes: Any) -> ApiSettings:
    keys = f"shop:storefront:{STOREFRONT_KEY},other:storefront:{OTHER_KEY},desk:support:{SUPPORT_KEY}"
    secrets = {"id_secret": "a secret of this deployment", "stripe_webhook_secret": "whsec_0123456789"}
    return ApiSettings.model_validate({"api_keys": keys} | secrets | changes)


def body(**changes: Any) -> dict[str, Any]:
    """A cart of two mugs; None leaves a field out."""
    cart: dict[str, Any] = {
        "customer_id": "cus_42",
        "cart_id": None,
        "currency": "EUR",
        "lines": [{"sku": "MUG-WHITE", "quantity": 2}],
        "payment_method": "pm_card_visa",
        "expected_total_minor": 2580,
    }
    return {name: value for name, value in (cart | changes).items() if value is not None}


@dataclass
class Storefront:
    """A client of the API. Every call carries a key; every purchase a new Idempotency-Key unless it names one."""

    client: httpx.AsyncClient
    server: ApiServer
    serving: asyncio.Task[None]

    async def buy(self, *, key: str | None = None, wait: int | None = None, **changes: Any) -> httpx.Response:
        caller, timeout = changes.pop("caller", STOREFRONT_KEY), changes.pop("timeout", 60)
        key = key or uuid.uuid4().hex
        return await self.post("/v1/checkouts", body(**changes), key=key, caller=caller, wait=wait, timeout=timeout)

    async def post(
        self,
        path: str,
        content: Any = None,
        *,
        key: str | None = None,
        caller: str = STOREFRONT_KEY,
        wait: int | None = None,
        timeout: float = 60,  # noqa: ASYNC109 - the HTTP client's own
    ) -> httpx.Response:
        headers = _headers(caller, wait) | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(path, json=content, headers=headers, timeout=timeout)

    async def get(
        self, path: str, *, caller: str = STOREFRONT_KEY, wait: int | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return await self.client.get(path, headers=_headers(caller, wait) | (headers or {}))

    async def stop(self) -> None:
        self.server.should_exit = True
        await self.serving


@asynccontextmanager
async def open_storefront(temporal: Client, **changes: Any) -> AsyncIterator[Storefront]:
    """The API in this process, on a free port, until the block ends."""
    with listen("127.0.0.1", 0) as listener:
        closing = asyncio.Event()
        app = create_app(api_settings(**changes), temporal, closing)
        server = ApiServer(app, closing)
        serving = asyncio.create_task(server.serve([listener]))
        host, port = listener.getsockname()
        hooks: dict[str, Any] = {"response": [declares_every_problem(app)]}
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=60, event_hooks=hooks) as client:
            storefront = Storefront(client, server, serving)
            try:
                yield storefront
            finally:
                await storefront.stop()


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a response, which must be a problem."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code
    return response.status_code, response.json()["code"]


def _headers(caller: str, wait: int | None) -> dict[str, str]:
    preference = {} if wait is None else {"Prefer": f"wait={wait}"}
    return {"Authorization": f"Bearer {caller}"} | preference
