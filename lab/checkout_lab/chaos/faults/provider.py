"""What the provider does to us: errors, lost responses, silence, and responses that make no sense."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import httpx

from checkout_lab.chaos.faults.base import Fault, Shoppers
from checkout_lab.chaos.proxy.http import Corruption
from checkout_lab.chaos.system.system import System

#: Some responses stay whole, so that retries and first tries are mixed.
_CORRUPT_RATE = 0.7


@asynccontextmanager
async def sandbox(system: System, **changes: object) -> AsyncIterator[None]:
    """The sandbox provider has these faults within the block."""
    await system.up("sandbox")
    before = dict.fromkeys(changes, 0) | {"outage": False, "webhooks": "normal", "account": "normal"}
    await system.ask_sandbox("/sandbox/faults", **changes)
    try:
        yield
    finally:
        # One that has died meanwhile has forgotten its faults.
        with suppress(httpx.TransportError):
            await system.ask_sandbox("/sandbox/faults", **{name: before[name] for name in changes})


async def misbehave(changes: dict[str, object], system: System, _: Shoppers, __: random.Random, seconds: float) -> None:
    """Have the provider misbehave in this way."""
    async with sandbox(system, **changes):
        await asyncio.sleep(seconds)


async def corrupt_responses(
    corruption: Corruption, system: System, _: Shoppers, __: random.Random, seconds: float
) -> None:
    """Most of the provider's responses to either worker are corrupt in this way."""
    for corrupter in system.corrupters.values():
        corrupter.start(corruption, _CORRUPT_RATE)
    try:
        await asyncio.sleep(seconds)
    finally:
        for corrupter in system.corrupters.values():
            corrupter.stop()


FAULTS = (
    Fault(
        "provider-errors",
        "provider",
        "half of the calls get a 500",
        partial(misbehave, {"error_rate": 0.5}),
        (3, 8),
    ),
    Fault(
        "provider-lost-responses",
        "provider",
        "half of the calls are carried out, and the response is lost",
        partial(misbehave, {"lost_response_rate": 0.5}),
        (3, 8),
    ),
    Fault("provider-slow", "provider", "every call takes long", partial(misbehave, {"latency_ms": 1500}), (3, 8)),
    Fault("provider-outage", "provider", "503 for everything", partial(misbehave, {"outage": True}), (3, 12)),
    Fault(
        "provider-account",
        "provider",
        "our account cannot charge anybody",
        partial(misbehave, {"account": "cannot_charge"}),
        (3, 12),
    ),
    Fault(
        "provider-429",
        "provider",
        "too many requests, with Retry-After",
        partial(corrupt_responses, Corruption.RATE_LIMITED),
        (3, 8),
    ),
    Fault(
        "provider-malformed",
        "provider",
        "responses that are no JSON",
        partial(corrupt_responses, Corruption.MALFORMED),
        (3, 8),
    ),
    Fault(
        "provider-truncated",
        "provider",
        "responses that end in the middle",
        partial(corrupt_responses, Corruption.TRUNCATED),
        (3, 8),
    ),
    Fault("provider-huge", "provider", "responses of megabytes", partial(corrupt_responses, Corruption.HUGE), (3, 8)),
    Fault(
        "provider-wrong-content",
        "provider",
        "a web page for a response",
        partial(corrupt_responses, Corruption.WRONG_CONTENT),
        (3, 8),
    ),
)
