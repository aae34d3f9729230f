"""Waiting until a checkout has changed, with few calls of Temporal and fewer queries of a worker.

Most checkouts end within a moment, and Temporal reports an ending by itself (a long poll on the close event, which
needs no worker). For states that are not an ending the description is read now and then; a worker is queried only when
the history has grown since.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.client import WorkflowExecutionDescription
from temporalio.service import RPCError

from api.temporal.calls import CALL_SECONDS
from api.temporal.snapshots import CheckoutHandle, Snapshot, final_view, known_status, take_snapshot

FIRST_LOOK_SECONDS: Final = 0.25
SLOWEST_LOOK_SECONDS: Final = 1.0
#: Read by all requests that wait, together: many that wait must not become a load of their own.
MOST_LOOKS_PER_SECOND: Final = 25


@dataclass(frozen=True)
class Until:
    """A condition: ``enough`` judges a snapshot; ``worth_asking``, from a description, whether a query is worth it."""

    enough: Callable[[Snapshot], bool]
    worth_asking: Callable[[WorkflowExecutionDescription], bool] = lambda _: True


#: The workflow has done what it can for now: the checkout has ended, or somebody else has to act.
SETTLED: Final = Until(
    enough=lambda snapshot: not snapshot.view.status.is_busy,
    worth_asking=lambda description: not known_status(description).is_busy,
)


class Waiting:
    """Waits for checkouts, and bounds how often all that wait in this process read a description."""

    def __init__(self) -> None:
        self._count = 0

    async def until(
        self, until: Until, handle: CheckoutHandle, latest: Snapshot, seconds: float, hang_up: Coroutine[Any, Any, None]
    ) -> Snapshot:
        """The first snapshot that is enough, or ``latest`` when the time is up or ``hang_up`` returns before.

        A checkout that ends is always enough. While Temporal cannot be reached, ``latest`` is returned.

        Raises:
            Problem: 500 when the workflow fails.
        """
        tasks: list[asyncio.Task[Snapshot | None]] = [
            asyncio.create_task(_ending(handle)),
            asyncio.create_task(self._change(until, handle)),
            asyncio.create_task(_none_after(hang_up)),
        ]
        self._count += 1
        try:
            done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._count -= 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            try:
                latest = task.result() or latest
            except RPCError:
                # The checkout goes on; the client gets the last view that is known.
                continue
        return latest

    async def _change(self, until: Until, handle: CheckoutHandle) -> Snapshot:
        pause, seen = FIRST_LOOK_SECONDS, ("", -1)
        while True:
            await asyncio.sleep(max(pause, self._count / MOST_LOOKS_PER_SECOND))
            pause = min(pause * 2, SLOWEST_LOOK_SECONDS)
            description = await handle.describe(rpc_timeout=timedelta(seconds=CALL_SECONDS))
            latest = (description.run_id, description.history_length)  # Continue-as-new begins a new history.
            if latest != seen and until.worth_asking(description):
                seen = latest
                snapshot = await take_snapshot(handle, description)
                if until.enough(snapshot):
                    return snapshot


async def _ending(handle: CheckoutHandle) -> Snapshot:
    return Snapshot(await final_view(handle))


async def _none_after(hang_up: Coroutine[Any, Any, None]) -> None:
    await hang_up
