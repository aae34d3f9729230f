"""Lets an activity that waits for somebody else be found dead in seconds, without ever being stopped in its middle."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import activity

T = TypeVar("T")

#: A worker that was killed is noticed after this long instead of after the whole time-out of the activity.
HEARTBEAT_TIMEOUT_SECONDS = 5.0
_BEAT_SECONDS = HEARTBEAT_TIMEOUT_SECONDS / 3


async def with_heartbeat(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end and tell Temporal meanwhile that the worker lives.

    A request to cancel is not passed on: a call to a provider that is cut off in its middle leaves an unknown outcome,
    and its own time-out bounds the wait.
    """
    task = asyncio.ensure_future(work)
    while True:
        try:
            done, _ = await asyncio.wait({task}, timeout=_BEAT_SECONDS)
        except asyncio.CancelledError:
            continue
        if done:
            return task.result()
        activity.heartbeat()
