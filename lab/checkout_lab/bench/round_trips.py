"""What one checkout asks of everybody, counted: in histories, in PostgreSQL's log, at the provider, at Temporal.

Checkouts are counted one after the other and the provider keeps its events back meanwhile; then it sends them, and what
they ask is counted by itself. Under load the same are counted once more, for tasks that time out are done twice.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from checkout_lab.bench.environment.environment import BenchEnvironment
from checkout_lab.bench.environment.server_metrics import REPORT_SECONDS, Counts
from checkout_lab.bench.load.loops import closed_count
from checkout_lab.bench.load.samples import rounded

#: The figure -> the event of a history that is one of it.
_EVENTS: Final = {
    "workflow_tasks": EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    "workflow_task_timeouts": EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    "activities": EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    "markers": EventType.EVENT_TYPE_MARKER_RECORDED,
    "timers": EventType.EVENT_TYPE_TIMER_STARTED,
    "search_attribute_upserts": EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
}


@dataclass(frozen=True)
class _Mark:
    """Where the counters of servers are, between two pieces of work."""

    at: datetime
    provider_calls: int
    server: Counts


@dataclass(frozen=True)
class _Piece:
    """So many operations between two marks, and the statements that they took."""

    operations: int
    before: _Mark
    after: _Mark
    statements: dict[str, int]


class _PieceCounter:
    """Counts pieces of work, each from where the one before it ended."""

    def __init__(self, environment: BenchEnvironment, start: _Mark) -> None:
        self._environment = environment
        self._last = start
        self._pieces: dict[str, _Piece] = {}

    async def count(self, name: str, operations: int, work: Awaitable[None]) -> None:
        """Have the work done, and what follows from it."""
        async with self._environment.database.statements_logged():
            await work
            await self._environment.settled()
        before, self._last = self._last, await _mark(self._environment)
        self._pieces[name] = _Piece(operations, before, self._last, self._environment.log.counts())

    async def figures(self) -> dict[str, Any]:
        """What each piece asked for, per operation. It reads the histories, so it comes last."""
        return {name: await _figures(self._environment.temporal, piece) for name, piece in self._pieces.items()}


async def count_round_trips(environment: BenchEnvironment, operations: int, crowd: int) -> dict[str, Any]:
    """Per operation: those of a checkout, and by name those of the events about it, of the baseline, and of a checkout
    ``under_load``, when a crowd of so many buys at once.
    """
    shop, sends_events = environment.storefront(), environment.webhooks
    await environment.send_webhooks(False)
    tally = _PieceCounter(environment, await _mark(environment))
    await tally.count("checkout", operations, closed_count(shop, 1, operations))
    if sends_events:
        await tally.count("events_of_the_provider", operations, environment.send_webhooks(True))
    await tally.count("baseline", operations, closed_count(environment.baseline(), 1, operations))
    await environment.send_webhooks(False)
    await tally.count("under_load", crowd, closed_count(shop, crowd, crowd))
    figures = await tally.figures()
    checkout: dict[str, Any] = figures.pop("checkout")
    return checkout | figures


async def _mark(environment: BenchEnvironment) -> _Mark:
    await environment.settled()
    # The server reports its counts at intervals; when one has passed without a change, they are complete.
    counts, newer = await environment.metrics.read(), None
    while counts != newer:
        counts = newer or counts
        await asyncio.sleep(REPORT_SECONDS)
        newer = await environment.metrics.read()
    return _Mark(datetime.now(UTC), (await environment.provider_traffic())["calls"], counts)


async def _figures(client: Client, piece: _Piece) -> dict[str, Any]:
    provider_calls = piece.after.provider_calls - piece.before.provider_calls
    counts = {**await _histories(client, piece), **piece.statements, "provider_calls": provider_calls}
    asked = {name: piece.after.server[name] - counted for name, counted in piece.before.server.items()}
    return _each(counts, piece.operations) | {name: _each(each, piece.operations) for name, each in asked.items()}


def _each(counts: Mapping[str, int], operations: int) -> dict[str, float]:
    return {name: rounded(count / operations) for name, count in counts.items()}


async def _histories(client: Client, piece: _Piece) -> dict[str, int]:
    """What the histories of the workflows hold that started within the piece."""
    kinds: Counter[int] = Counter()
    workflows = size_bytes = 0
    since, until = piece.before.at.isoformat(), piece.after.at.isoformat()
    async for execution in client.list_workflows(f"StartTime >= '{since}' AND StartTime < '{until}'"):
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        kinds.update(event.event_type for event in (await handle.fetch_history()).events)
        workflows += 1
        size_bytes += (await handle.describe()).raw_description.workflow_execution_info.history_size_bytes
    counted = {name: kinds[kind] for name, kind in _EVENTS.items()}
    return {"workflows": workflows, **counted, "history_events": kinds.total(), "history_bytes": size_bytes}
