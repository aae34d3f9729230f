"""Waiting for what another process does: for a state, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(ask: Callable[[], Awaitable[T]], is_so: Callable[[T], object]) -> T:
    """Ask again until what is found is the awaited one."""
    async with asyncio.timeout(20):
        while not is_so(found := await ask()):
            await asyncio.sleep(0.05)
    return found
