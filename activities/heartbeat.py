"""Heartbeats: a dead worker is noticed within seconds, and an activity is never stopped in its middle."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import activity

T = TypeVar("T")

#: A worker that was killed is noticed after this long instead of after the whole time-out of the activity.
HEARTBEAT_TIMEOUT_SECONDS = 5.0
_BEAT_SECONDS = HEARTBEAT_TIMEOUT_SECONDS / 3


async def with_heartbeat(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end, and send Temporal heartbeats meanwhile.

    A request to cancel is not passed on: a call to the provider that is cut off leaves an unknown outcome, and its own
    time-out bounds the wait.
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
