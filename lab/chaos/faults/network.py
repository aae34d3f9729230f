"""Connections that are slow, in pieces, cut, deaf, or late: any of the links, and those that matter most by name."""

import asyncio
import random
from functools import partial

from lab.chaos.faults.base import Fault, Shoppers
from lab.chaos.proxy.connection import Weather
from lab.chaos.world.links import cut, weather
from lab.chaos.world.world import WORKERS, World

_PROVIDER_LINKS = tuple(f"{worker}-provider" for worker in WORKERS)
_POSTGRES_LINKS = tuple(f"{worker}-postgres" for worker in WORKERS)
_TEMPORAL_LINKS = tuple(f"{worker}-temporal" for worker in WORKERS)
_BLACKHOLE = Weather(loses_requests=True, loses_answers=True)
#: Pauses between two resets of the same link, in seconds.
_RESET_PAUSE_SECONDS = (0.05, 0.8)


async def bad_weather(how: Weather, world: World, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """One link, any of them, has this weather."""
    async with weather(how, world.links[rng.choice(sorted(world.links))]):
        await asyncio.sleep(seconds)


async def bad_weather_at(
    links: tuple[str, ...], how: Weather, world: World, _: Shoppers, __: random.Random, seconds: float
) -> None:
    """These links have this weather."""
    async with weather(how, *(world.links[name] for name in links)):
        await asyncio.sleep(seconds)


async def cut_any(world: World, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """One link, any of them, is closed and refuses connections."""
    async with cut(world.links[rng.choice(sorted(world.links))]):
        await asyncio.sleep(seconds)


async def cut_at(links: tuple[str, ...], world: World, _: Shoppers, __: random.Random, seconds: float) -> None:
    """These links are closed and refuse connections."""
    async with cut(*(world.links[name] for name in links)):
        await asyncio.sleep(seconds)


async def reset_again_and_again(world: World, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """One link, any of them, resets all its connections every now and then."""
    link = world.links[rng.choice(sorted(world.links))]
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
        partial(bad_weather, Weather(latency_seconds=0.2, jitter_seconds=0.6)),
        (3, 8),
    ),
    Fault(
        "network-slicing",
        "network",
        "a link delivers a few bytes at a time",
        partial(bad_weather, Weather(slice_bytes=40)),
        (3, 8),
    ),
    Fault("network-reset", "network", "a link resets its connections again and again", reset_again_and_again, (2, 6)),
    Fault("network-cut", "network", "a link is cut, and refuses connections", cut_any, (2, 6)),
    Fault("network-blackhole", "network", "a link swallows everything", partial(bad_weather, _BLACKHOLE), (2, 8)),
    Fault(
        "network-stall",
        "network",
        "a link holds everything back, and delivers it late",
        partial(bad_weather, Weather(stalls=True)),
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
        "temporal-start-answer-lost",
        "temporal",
        "Temporal starts what the API asks for, but the answers are lost; then a cut",
        partial(bad_weather_at, ("api-temporal",), Weather(loses_answers=True)),
        (2, 6),
    ),
    Fault(
        "postgres-slow",
        "postgres",
        "PostgreSQL is far away",
        partial(bad_weather_at, _POSTGRES_LINKS, Weather(latency_seconds=0.1, jitter_seconds=0.4)),
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
        partial(bad_weather_at, _PROVIDER_LINKS, _BLACKHOLE),
        (3, 8),
    ),
    Fault(
        "webhooks-early",
        "webhooks",
        "events come before the provider's answers",
        partial(bad_weather_at, _PROVIDER_LINKS, Weather(latency_seconds=0.8)),
        (3, 8),
    ),
    Fault("webhooks-cut", "webhooks", "the provider cannot reach our API", partial(cut_at, ("provider-api",)), (2, 6)),
)
