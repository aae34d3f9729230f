"""What PostgreSQL itself does to us: deadlocks, conflicts, no connection left, nothing to be written."""

import asyncio
import random

from checkout_lab.chaos.faults.base import Fault, Shoppers
from checkout_lab.chaos.system.system import System

#: A rival holds rows for so long at a time: well over the second after which the server looks for a deadlock.
_HOLD_SECONDS = (0.05, 1.5)


async def deadlocks(system: System, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """Lock articles and checkouts the other way round, again and again; the product is the one that has to give way."""
    await system.up("postgres")
    ends = asyncio.get_running_loop().time() + seconds
    while True:
        await system.rival.cross(rng.uniform(*_HOLD_SECONDS))
        if asyncio.get_running_loop().time() > ends:
            return


async def conflicts(system: System, _: Shoppers, __: random.Random, seconds: float) -> None:
    """Transactions are serializable unless they say otherwise, so that those that meet fail with 40001."""
    await system.up("postgres")
    async with system.rival.setting("default_transaction_isolation", "serializable"):
        await asyncio.sleep(seconds)


async def read_only(system: System, _: Shoppers, __: random.Random, seconds: float) -> None:
    """Have PostgreSQL refuse every write."""
    await system.up("postgres")
    async with system.rival.setting("default_transaction_read_only", "on"):
        await asyncio.sleep(seconds)


async def no_connection_left(system: System, _: Shoppers, __: random.Random, seconds: float) -> None:
    """Have other sessions take every connection."""
    await system.up("postgres")
    async with system.rival.every_connection() as count:
        system.note(f"a rival holds {count} connections")
        await asyncio.sleep(seconds)


async def sessions_ended(system: System, _: Shoppers, __: random.Random, ___: float) -> None:
    """An operator ends every session of the product."""
    await system.up("postgres")
    await system.rival.end_sessions()


FAULTS = (
    Fault("postgres-deadlock", "postgres", "a rival locks rows in the opposite order", deadlocks, (3, 8)),
    Fault("postgres-serialization", "postgres", "transactions that meet fail with 40001", conflicts, (3, 8)),
    Fault("postgres-read-only", "postgres", "PostgreSQL takes no writes", read_only, (2, 6)),
    Fault("postgres-connections-exhausted", "postgres", "a rival takes every connection", no_connection_left, (2, 6)),
    Fault(
        "postgres-sessions-ended", "postgres", "pg_terminate_backend for every session of the product", sessions_ended
    ),
)
