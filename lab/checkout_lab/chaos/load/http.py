"""How shoppers and staff speak with the API: as a good client does, who asks again when told to, and means the same."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

import httpx

from checkout_lab.chaos.checker.books import Violation

_TRY_AGAIN: Final = frozenset({429, 503})
#: Above every wait that the load asks the API for.
_TIMEOUT: Final = httpx.Timeout(30, connect=3, pool=None)
_UNLIMITED: Final = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=5)


class CheckoutFailed(Exception):
    """The API says that nothing works on the checkout any more (`checkout_failed`)."""


class RetryingClient:
    """A client with one key, which repeats requests that failed; ``complain`` takes what the API never returns."""

    def __init__(self, base_url: str, key: str, rng: random.Random, complain: Callable[[Violation], None]) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # trust_env: a proxy of the shell has no business on loopback.
        self.http = httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=_TIMEOUT, limits=_UNLIMITED, trust_env=False
        )
        self._rng = rng
        self._complain = complain

    async def request(
        self,
        method: str,
        path: str,
        expected: frozenset[int],
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Repeat the request until the response is none of 429 and 503. One that is not expected is reported.

        Raises:
            CheckoutFailed: nothing works on the checkout any more.
        """
        while True:
            pause_seconds = self._rng.uniform(0.1, 0.5)
            try:
                response = await self.http.request(method, path, json=body, headers=dict(headers or {}))
            except httpx.TransportError:
                # Whether it was done nobody knows, which is why everything is asked for under a key.
                await asyncio.sleep(pause_seconds)
                continue
            if response.status_code not in _TRY_AGAIN:
                return self._judged(response, expected)
            await asyncio.sleep(float(response.headers.get("Retry-After", pause_seconds)))

    def _judged(self, response: httpx.Response, expected: frozenset[int]) -> httpx.Response:
        if response.status_code in expected:
            return response
        code = code_of(response)
        if code == "checkout_failed":
            raise CheckoutFailed(str(response.url))
        what = f"{response.request.method} {response.url.path}"
        self._complain(Violation("HTTP: every response is a documented one", what, f"{response.status_code} {code}"))
        return response


class Clients:
    """The clients of a campaign: the storefront, support, and the bank behind the sandbox provider."""

    def __init__(
        self, urls: tuple[str, str], keys: tuple[str, str], seed: int, complain: Callable[[Violation], None]
    ) -> None:
        rng = random.Random(f"{seed}-pauses")  # noqa: S311 - a campaign has to be repeatable
        api_url, sandbox_url = urls
        storefront_key, support_key = keys
        self.shop = RetryingClient(api_url, storefront_key, rng, complain)
        self.support = RetryingClient(api_url, support_key, rng, complain)
        self.bank = RetryingClient(sandbox_url, "", rng, complain)
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for client in (self.shop, self.support, self.bank):
            await self._exits.enter_async_context(client.http)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()


def code_of(response: httpx.Response) -> str:
    """The stable code of a problem; empty for what is none."""
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return ""
    return str(response.json().get("code", ""))
