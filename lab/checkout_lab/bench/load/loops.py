"""Offering load: closed loops, whose clients wait for each response, and open ones, whose customers come anyway."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Protocol

from checkout_lab.bench.load.samples import Sample


class LoadClient(Protocol):
    """One client, which does one operation at a time."""

    async def __call__(self) -> None:
        """Do one operation, to its end."""

    def close(self) -> None:
        """Close what the client holds."""


class Subject(Protocol):
    """What is measured."""

    @property
    def name(self) -> str:
        """The subject's name in the report."""

    async def connect(self) -> LoadClient:
        """Return one more client."""


async def closed_loop(subject: Subject, clients: int, seconds: float) -> Sample:
    """So many clients do one operation after the other; each ends the one that it is at when the time is up."""
    latencies: list[float] = []

    async def run(client: LoadClient) -> None:
        while (begun := perf_counter()) < deadline or not latencies:
            await client()
            latencies.append(perf_counter() - begun)

    async with _load_clients(subject, clients) as load_clients:
        started = perf_counter()
        deadline = started + seconds
        async with _all_of_them() as group:
            for client in load_clients:
                group.create_task(run(client))
        # Until the last has ended, since what was done by then is what is counted.
        return Sample(latencies, perf_counter() - started)


async def closed_count(subject: Subject, clients: int, operations: int) -> None:
    """So many clients share so many operations; nothing is timed."""
    left = iter(range(operations))

    async def run(client: LoadClient) -> None:
        for _ in left:
            await client()

    async with _load_clients(subject, clients) as load_clients, _all_of_them() as group:
        for client in load_clients:
            group.create_task(run(client))


async def open_loop(subject: Subject, per_second: float, seconds: float, seed: int) -> Sample:
    """Customers come at random times (a Poisson process), whether or not the ones before them were served.

    A latency counts from the moment at which the operation was due, so that a stall is seen by all whom it met.
    """
    latencies: list[float] = []

    async def serve(due: float) -> None:
        if not idle:
            load_clients.append(await subject.connect())
            idle.append(load_clients[-1])
        client = idle.pop()
        await client()
        latencies.append(perf_counter() - due)
        idle.append(client)

    async with _load_clients(subject, 1) as load_clients:
        idle = list(load_clients)
        started = perf_counter()
        async with _all_of_them() as group:
            for due in _arrivals(per_second, seconds, seed):
                await asyncio.sleep(started + due - perf_counter())
                group.create_task(serve(started + due))
        return Sample(latencies, perf_counter() - started)


def _arrivals(per_second: float, seconds: float, seed: int) -> Iterator[float]:
    """When customers come, in seconds from the start; one comes in any case."""
    chance = random.Random(seed)  # noqa: S311 - the same load for the same seed
    due = min(chance.expovariate(per_second), seconds)
    yield due
    while (due := due + chance.expovariate(per_second)) < seconds:
        yield due


@asynccontextmanager
async def _load_clients(subject: Subject, clients: int) -> AsyncIterator[list[LoadClient]]:
    load_clients = [await subject.connect() for _ in range(clients)]
    try:
        yield load_clients
    finally:
        for client in load_clients:
            client.close()


@asynccontextmanager
async def _all_of_them() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that are waited for; the first that fails cancels the others, and is what the client sees."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
