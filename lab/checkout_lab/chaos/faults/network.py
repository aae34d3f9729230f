"""Links that are slow, send small pieces, are cut, lose bytes or hold them back: any link, and some by name."""

import asyncio
import random
from functools import partial

from checkout_lab.chaos.faults.base import Fault, Shoppers
from checkout_lab.chaos.proxy.connection import LinkConditions
from checkout_lab.chaos.system.links import cut, degraded
from checkout_lab.chaos.system.system import WORKERS, System

_PROVIDER_LINKS = tuple(f"{worker}-provider" for worker in WORKERS)
_POSTGRES_LINKS = tuple(f"{worker}-postgres" for worker in WORKERS)
_TEMPORAL_LINKS = tuple(f"{worker}-temporal" for worker in WORKERS)
_BLACKHOLE = LinkConditions(loses_requests=True, loses_responses=True)
#: Pauses between two resets of the same link, in seconds.
_RESET_PAUSE_SECONDS = (0.05, 0.8)


async def degrade_any(how: LinkConditions, system: System, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """Put one link, any of them, under these conditions."""
    async with degraded(how, system.links[rng.choice(sorted(system.links))]):
        await asyncio.sleep(seconds)


async def degrade(
    links: tuple[str, ...], how: LinkConditions, system: System, _: Shoppers, __: random.Random, seconds: float
) -> None:
    """Put these links under these conditions."""
    async with degraded(how, *(system.links[name] for name in links)):
        await asyncio.sleep(seconds)


async def cut_any(system: System, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """One link, any of them, is closed and refuses connections."""
    async with cut(system.links[rng.choice(sorted(system.links))]):
        await asyncio.sleep(seconds)


async def cut_at(links: tuple[str, ...], system: System, _: Shoppers, __: random.Random, seconds: float) -> None:
    """Close these links; they refuse connections."""
    async with cut(*(system.links[name] for name in links)):
        await asyncio.sleep(seconds)


async def reset_again_and_again(system: System, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """One link, any of them, resets all its connections every now and then."""
    link = system.links[rng.choice(sorted(system.links))]
    ends = asyncio.get_running_loop().time() + seconds
    while True:
        link.reset()
        pause_seconds = rng.uniform(*_RESET_PAUSE_SECONDS)
        if asyncio.get_running_loop().time() + pause_seconds > ends:
            return
        await asyncio.sleep(pause_seconds)


FAULTS = (
    Fault(
        "network-latency",
        "network",
        "a link is slow, and not evenly",
        partial(degrade_any, LinkConditions(latency_seconds=0.2, jitter_seconds=0.6)),
        (3, 8),
    ),
    Fault(
        "network-slicing",
        "network",
        "a link delivers a few bytes at a time",
        partial(degrade_any, LinkConditions(slice_bytes=40)),
        (3, 8),
    ),
    Fault("network-reset", "network", "a link resets its connections again and again", reset_again_and_again, (2, 6)),
    Fault("network-cut", "network", "a link is cut, and refuses connections", cut_any, (2, 6)),
    Fault("network-blackhole", "network", "a link swallows everything", partial(degrade_any, _BLACKHOLE), (2, 8)),
    Fault(
        "network-stall",
        "network",
        "a link holds everything back, and delivers it late",
        partial(degrade_any, LinkConditions(stalls=True)),
        (2, 12),
    ),
    Fault(
        "temporal-unreachable-api",
        "temporal",
        "the API cannot reach Temporal",
        partial(cut_at, ("api-temporal",)),
        (2, 6),
    ),
    Fault(
        "temporal-unreachable-worker",
        "temporal",
        "no worker can reach Temporal",
        partial(cut_at, _TEMPORAL_LINKS),
        (2, 6),
    ),
    Fault(
        "temporal-start-response-lost",
        "temporal",
        "Temporal starts what the API asks for, but the responses are lost; then a cut",
        partial(degrade, ("api-temporal",), LinkConditions(loses_responses=True)),
        (2, 6),
    ),
    Fault(
        "postgres-slow",
        "postgres",
        "PostgreSQL is far away",
        partial(degrade, _POSTGRES_LINKS, LinkConditions(latency_seconds=0.1, jitter_seconds=0.4)),
        (3, 8),
    ),
    Fault(
        "postgres-unreachable", "postgres", "no worker can reach PostgreSQL", partial(cut_at, _POSTGRES_LINKS), (2, 6)
    ),
    Fault(
        "provider-unreachable", "provider", "nobody can reach the provider", partial(cut_at, _PROVIDER_LINKS), (2, 6)
    ),
    Fault(
        "provider-hang",
        "provider",
        "the provider takes connections and says nothing",
        partial(degrade, _PROVIDER_LINKS, _BLACKHOLE),
        (3, 8),
    ),
    Fault(
        "webhooks-early",
        "webhooks",
        "events come before the provider's responses",
        partial(degrade, _PROVIDER_LINKS, LinkConditions(latency_seconds=0.8)),
        (3, 8),
    ),
    Fault("webhooks-cut", "webhooks", "the provider cannot reach our API", partial(cut_at, ("provider-api",)), (2, 6)),
)
