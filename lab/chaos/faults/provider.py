"""What the provider does to us: errors, lost answers, silence, and answers that make no sense."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import httpx

from lab.chaos.faults.base import Fault, Shoppers
from lab.chaos.proxy.http import Madness
from lab.chaos.world.world import World

#: Some answers stay whole, so that retries and first tries are mixed.
_MAD_RATE = 0.7


@asynccontextmanager
async def sandbox(world: World, **changes: object) -> AsyncIterator[None]:
    """The sandbox provider has these faults within the block."""
    await world.up("sandbox")
    before = dict.fromkeys(changes, 0) | {"outage": False, "webhooks": "normal", "account": "normal"}
    await world.ask_sandbox("/sandbox/faults", **changes)
    try:
        yield
    finally:
        # One that has died meanwhile has forgotten its faults.
        with suppress(httpx.TransportError):
            await world.ask_sandbox("/sandbox/faults", **{name: before[name] for name in changes})


async def misbehave(changes: dict[str, object], world: World, _: Shoppers, __: random.Random, seconds: float) -> None:
    """The provider has these faults."""
    async with sandbox(world, **changes):
        await asyncio.sleep(seconds)


async def go_mad(madness: Madness, world: World, _: Shoppers, __: random.Random, seconds: float) -> None:
    """Most of the provider's answers to either worker are like this."""
    for asylum in world.asylums.values():
        asylum.go_mad(madness, _MAD_RATE)
    try:
        await asyncio.sleep(seconds)
    finally:
        for asylum in world.asylums.values():
            asylum.calm()


FAULTS = (
    Fault(
        "provider-errors",
        "provider",
        "half of the calls are answered 500",
        partial(misbehave, {"error_rate": 0.5}),
        (3, 8),
    ),
    Fault(
        "provider-lost-answers",
        "provider",
        "half of the calls are carried out, and the answer is lost",
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
        "provider-429", "provider", "too many requests, with Retry-After", partial(go_mad, Madness.RATE_LIMITED), (3, 8)
    ),
    Fault("provider-malformed", "provider", "answers that are no JSON", partial(go_mad, Madness.MALFORMED), (3, 8)),
    Fault(
        "provider-truncated", "provider", "answers that end in the middle", partial(go_mad, Madness.TRUNCATED), (3, 8)
    ),
    Fault("provider-huge", "provider", "answers of megabytes", partial(go_mad, Madness.HUGE), (3, 8)),
    Fault(
        "provider-wrong-content", "provider", "a web page for an answer", partial(go_mad, Madness.WRONG_CONTENT), (3, 8)
    ),
)
