"""Starts workflows for the provider's events: events that arrive together share one workflow.

A workflow costs Temporal far more than an event in it. An event that arrives alone starts one at once; events that
arrive shortly after wait for each other. No event gets its response before its workflow is started.
"""

import asyncio
import contextlib
import hashlib
import math
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from api.temporal.calls import CALL_SECONDS, response_within
from api.temporal.ui_texts import events_summary
from checkout.domain.events import PaymentEvent
from checkout.temporal.names import TASK_QUEUE
from workflows.payment_events import PaymentEventsWorkflow

#: The time between two starts, and so the longest time that an event waits for others.
PAUSE_SECONDS: Final = 0.2
#: An event has some hundred bytes; the input of a workflow may have two million.
MOST_TOGETHER: Final = 100


@dataclass(eq=False)
class _Batch:
    """The events of one workflow, by their ids; ``is_full``: no more may be added."""

    events: dict[str, PaymentEvent] = field(default_factory=dict)
    is_full: asyncio.Event = field(default_factory=asyncio.Event)


class EventBatches:
    """Accepts events one by one, and passes them on together."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: tuple[_Batch, asyncio.Task[bool]] | None = None
        self._starting: set[asyncio.Task[bool]] = set()
        self._started_at = -math.inf

    async def take(self, event: PaymentEvent) -> bool:
        """Return once Temporal has the event; False if it is known that Temporal had it before.

        A second delivery that shares a workflow with other events is not recognised here, but by the inbox table.

        Raises:
            Problem: 503 while Temporal cannot be reached; the event has to be sent again.
        """
        batch, start = self._open or self._begin()
        is_first = event.event_id not in batch.events
        batch.events[event.event_id] = event
        if len(batch.events) == MOST_TOGETHER:
            batch.is_full.set()
            self._open = None
        # A sender who hangs up cancels only the wait for its own event.
        return await asyncio.shield(start) and is_first

    def _begin(self) -> tuple[_Batch, asyncio.Task[bool]]:
        batch = _Batch()
        start = asyncio.create_task(self._pass_on(batch))
        self._starting.add(start)
        start.add_done_callback(self._passed_on)
        self._open = batch, start
        return self._open

    async def _pass_on(self, batch: _Batch) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(batch.is_full.wait(), self._started_at + PAUSE_SECONDS - time.monotonic())
        if self._open and self._open[0] is batch:
            self._open = None
        self._started_at = time.monotonic()
        async with response_within(CALL_SECONDS):
            return await self._start([event for _, event in sorted(batch.events.items())])

    async def _start(self, events: list[PaymentEvent]) -> bool:
        try:
            await self._client.start_workflow(
                PaymentEventsWorkflow.run,
                events,
                id=_workflow_id(events),
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                static_summary=events_summary(events),
                rpc_timeout=timedelta(seconds=CALL_SECONDS),
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    def _passed_on(self, start: asyncio.Task[bool]) -> None:
        self._starting.discard(start)
        if not start.cancelled():
            start.exception()  # Raised where the start is awaited, if it still is.


def _workflow_id(events: list[PaymentEvent]) -> str:
    """The id of the one event, or a digest of all ids; so the same events start one workflow only."""
    if len(events) == 1:
        return events[0].event_id
    names = "\n".join(event.event_id for event in events)
    return f"events_{hashlib.sha256(names.encode()).hexdigest()[:32]}"
