"""Comparing the tables: checkouts with their workflows, articles with reservations, and each ending with its parts.

Nothing is changed here, except that events which came too early are matched with their checkouts.
"""

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import with_heartbeat
from checkout.db import checkouts, reconcile
from checkout.db.session import Database
from checkout.domain.reconcile import ComparedPage, Mismatch, MismatchKind, PageQuery

_CHECKOUTS_A_PAGE = 100
_ROWS_A_PAGE = 500
#: How a workflow ends that has not come to its result.
_ABANDONED = {
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.TIMED_OUT: "ran out of time",
    WorkflowExecutionStatus.CANCELED: "was cancelled",
}
_ENDED = _ABANDONED | {WorkflowExecutionStatus.COMPLETED: "has completed"}


class WorkflowStatuses:
    """What Temporal says of a checkout's workflow. It is asked directly: its lists lag behind."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def status(self, checkout_id: str) -> WorkflowExecutionStatus | None:
        """How the newest run stands; None when Temporal knows none."""
        try:
            return (await self._client.get_workflow_handle(checkout_id).describe()).status
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None

    async def is_at_work(self, checkout_id: str) -> bool:
        """Whether a workflow will deal with whatever is wrong with this checkout."""
        status = await self.status(checkout_id)
        return status is not None and status not in _ENDED


class ReconcileActivities:
    """Each compares one page, and may do so twice."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._workflows = WorkflowStatuses(client)

    @activity.defn
    async def compare_workflows(self, query: PageQuery) -> ComparedPage:
        """Whether every checkout that has not ended has a workflow that is working on it."""
        return await with_heartbeat(self._compare_workflows(query))

    async def _compare_workflows(self, query: PageQuery) -> ComparedPage:
        ids = await reconcile.under_way(self._database, query.cursor or "", query.grace_seconds, _CHECKOUTS_A_PAGE)
        found = [await self._without_workflow(checkout_id) for checkout_id in ids]
        next_cursor = ids[-1] if len(ids) == _CHECKOUTS_A_PAGE else None
        return ComparedPage(len(ids), tuple(one for one in found if one), next_cursor)

    async def _without_workflow(self, checkout_id: str) -> Mismatch | None:
        workflow_status = await self._workflows.status(checkout_id)
        if workflow_status is not None and workflow_status not in _ENDED:
            return None
        # Read again: the workflow may have ended it since, and ended itself.
        status = await checkouts.status(self._database, checkout_id)
        if status is None or status.is_final:
            return None
        if workflow_status == WorkflowExecutionStatus.COMPLETED and status.is_open:
            detail = f"its workflow has completed, and the checkout is {status}"
            return Mismatch(MismatchKind.COMPLETED_BUT_OPEN, detail, checkout_id)
        # What is being undone has one way to go, however its workflow ended.
        ended = _ENDED[workflow_status] if workflow_status else "is gone"
        detail = f"its workflow {ended}, and the checkout is {status}"
        return Mismatch(MismatchKind.ABANDONED_CHECKOUT, detail, checkout_id)

    @activity.defn
    async def compare_stock(self, query: PageQuery) -> ComparedPage:
        """Whether each shelf agrees with the reservations that took from it."""
        return await with_heartbeat(self._compare_stock(query))

    async def _compare_stock(self, query: PageQuery) -> ComparedPage:
        shelves = await reconcile.shelves(self._database, query.cursor or "", query.since, _ROWS_A_PAGE)
        faults = tuple(fault for shelf in shelves for fault in shelf.mismatches)
        return ComparedPage(len(shelves), faults, shelves[-1].sku if len(shelves) == _ROWS_A_PAGE else None)

    @activity.defn
    async def compare_endings(self, query: PageQuery) -> ComparedPage:
        """Whether stock, order and payment of each checkout that ended in the window tell of the same ending."""
        return await with_heartbeat(self._compare_endings(query))

    async def _compare_endings(self, query: PageQuery) -> ComparedPage:
        after_at, _, after_id = (query.cursor or query.since).partition(" ")
        endings = await reconcile.endings(self._database, after_at, after_id, query.until, _ROWS_A_PAGE)
        faults = [fault for ending in endings for fault in ending.mismatches]
        faults = [fault for fault in faults if not await self._workflows.is_at_work(fault.checkout_id or "")]
        last = endings[-1] if len(endings) == _ROWS_A_PAGE else None
        return ComparedPage(
            len(endings), tuple(faults), f"{last.ended_at.isoformat()} {last.checkout_id}" if last else None
        )

    @activity.defn
    async def match_events(self, _: PageQuery) -> ComparedPage:
        """Let events that came too early count as applied, now that their checkout is known."""
        return ComparedPage(await with_heartbeat(reconcile.match_events(self._database)))
