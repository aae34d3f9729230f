"""How shoppers and staff speak with the API: as a good client does, who asks again when told to, and means the same."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

import httpx

from lab.chaos.checker.books import Violation

_TRY_AGAIN: Final = frozenset({429, 503})
#: Above every wait that the load asks the API for.
_TIMEOUT: Final = httpx.Timeout(30, connect=3, pool=None)
_UNLIMITED: Final = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=5)


class Gone(Exception):
    """The API answers that nothing works on the checkout any more (`checkout_failed`)."""


class Caller:
    """One key's way to one base URL. ``complain`` takes what no documented API would answer."""

    def __init__(self, base_url: str, key: str, rng: random.Random, complain: Callable[[Violation], None]) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # trust_env: a proxy of the shell has no business on loopback.
        self.http = httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=_TIMEOUT, limits=_UNLIMITED, trust_env=False
        )
        self._rng = rng
        self._complain = complain

    async def insist(
        self,
        method: str,
        path: str,
        expected: frozenset[int],
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The first answer that is one. An answer that is neither expected nor a known problem is complained of.

        Raises:
            Gone: nothing works on the checkout any more.
        """
        while True:
            pause_seconds = self._rng.uniform(0.1, 0.5)
            try:
                answer = await self.http.request(method, path, json=body, headers=dict(headers or {}))
            except httpx.TransportError:
                # Whether it was done nobody knows, which is why everything is asked for under a key.
                await asyncio.sleep(pause_seconds)
                continue
            if answer.status_code not in _TRY_AGAIN:
                return self._judged(answer, expected)
            await asyncio.sleep(float(answer.headers.get("Retry-After", pause_seconds)))

    def _judged(self, answer: httpx.Response, expected: frozenset[int]) -> httpx.Response:
        if answer.status_code in expected:
            return answer
        code = code_of(answer)
        if code == "checkout_failed":
            raise Gone(str(answer.url))
        what = f"{answer.request.method} {answer.url.path}"
        self._complain(Violation("HTTP: every answer is a documented one", what, f"{answer.status_code} {code}"))
        return answer


class Callers:
    """Everybody's way in: the storefront, the support desk, and the bank behind the sandbox provider."""

    def __init__(
        self, urls: tuple[str, str], keys: tuple[str, str], seed: int, complain: Callable[[Violation], None]
    ) -> None:
        rng = random.Random(f"{seed}-pauses")  # noqa: S311 - a campaign has to be repeatable
        api_url, sandbox_url = urls
        storefront_key, support_key = keys
        self.shop = Caller(api_url, storefront_key, rng, complain)
        self.support = Caller(api_url, support_key, rng, complain)
        self.bank = Caller(sandbox_url, "", rng, complain)
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for caller in (self.shop, self.support, self.bank):
            await self._exits.enter_async_context(caller.http)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()


def code_of(answer: httpx.Response) -> str:
    """The stable code of a problem; empty for what is none."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return ""
    return str(answer.json().get("code", ""))
