"""Comparing what the tables say: checkouts with their workflows, shelves with reservations, endings with themselves.

Nothing is changed here, but for events that have found their checkout.
"""

from typing import Any

from sqlalchemy import Row
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import with_heartbeat
from checkout.db import checkouts, reconcile
from checkout.db.session import Database
from checkout.domain.reconcile import ComparedPage, Mismatch, MismatchKind, PageQuery
from checkout.domain.states import CheckoutStatus

_CHECKOUTS_A_PAGE = 100
_ROWS_A_PAGE = 500
#: How a workflow ends that has not finished its story.
_ABANDONED = {
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.TIMED_OUT: "ran out of time",
    WorkflowExecutionStatus.CANCELED: "was cancelled",
}
_ENDED = _ABANDONED | {WorkflowExecutionStatus.COMPLETED: "has completed"}


class Workflows:
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
        self._workflows = Workflows(client)

    @activity.defn
    async def compare_workflows(self, query: PageQuery) -> ComparedPage:
        """Whether every checkout that has not ended has a workflow that is working on it."""
        return await with_heartbeat(self._compare_workflows(query))

    async def _compare_workflows(self, query: PageQuery) -> ComparedPage:
        parameters = {"after": query.cursor or "", "grace_seconds": query.grace_seconds, "limit": _CHECKOUTS_A_PAGE}
        rows = await self._database.all(reconcile.UNDER_WAY, parameters)
        found = [await self._without_workflow(row.checkout_id) for row in rows]
        return _page(rows, [one for one in found if one], "checkout_id", _CHECKOUTS_A_PAGE)

    async def _without_workflow(self, checkout_id: str) -> Mismatch | None:
        workflow_status = await self._workflows.status(checkout_id)
        if workflow_status is not None and workflow_status not in _ENDED:
            return None
        # Read again: the workflow may have ended it since, and ended itself.
        row = await self._database.one(checkouts.STATUS, {"checkout_id": checkout_id})
        if row is None or CheckoutStatus(row.status).is_final:
            return None
        if workflow_status == WorkflowExecutionStatus.COMPLETED and CheckoutStatus(row.status).is_open:
            detail = f"its workflow has completed, and the checkout is {row.status}"
            return Mismatch(MismatchKind.COMPLETED_BUT_OPEN, detail, checkout_id)
        # What is being undone has one way to go, however its workflow ended.
        ended = _ENDED[workflow_status] if workflow_status else "is gone"
        detail = f"its workflow {ended}, and the checkout is {row.status}"
        return Mismatch(MismatchKind.ABANDONED_CHECKOUT, detail, checkout_id)

    @activity.defn
    async def compare_stock(self, query: PageQuery) -> ComparedPage:
        """Whether each shelf agrees with the reservations that took from it."""
        return await with_heartbeat(self._compare_stock(query))

    async def _compare_stock(self, query: PageQuery) -> ComparedPage:
        parameters = {"after": query.cursor or "", "since": query.since, "limit": _ROWS_A_PAGE}
        rows = await self._database.all(reconcile.STOCK, parameters)
        return _page(rows, [fault for row in rows for fault in _stock_faults(row)], "sku", _ROWS_A_PAGE)

    @activity.defn
    async def compare_endings(self, query: PageQuery) -> ComparedPage:
        """Whether stock, order and payment of each checkout that ended in the window tell of the same ending."""
        return await with_heartbeat(self._compare_endings(query))

    async def _compare_endings(self, query: PageQuery) -> ComparedPage:
        after_at, _, after_id = (query.cursor or query.since).partition(" ")
        parameters = {"after_at": after_at, "after_id": after_id, "until": query.until, "limit": _ROWS_A_PAGE}
        rows = await self._database.all(reconcile.ENDED, parameters)
        faults = [fault for row in rows for fault in _ending_faults(row)]
        faults = [fault for fault in faults if not await self._workflows.is_at_work(fault.checkout_id or "")]
        more = len(rows) == _ROWS_A_PAGE
        cursor = f"{rows[-1].updated_at.isoformat()} {rows[-1].checkout_id}" if more else None
        return ComparedPage(len(rows), tuple(faults), cursor)

    @activity.defn
    async def match_events(self, _: PageQuery) -> ComparedPage:
        """Let events that came too early count as applied, now that their checkout is known."""
        return ComparedPage(len(await with_heartbeat(self._database.all(reconcile.MATCH_EVENTS, {}))))


def _page(rows: list[Row[Any]], faults: list[Mismatch], key: str, limit: int) -> ComparedPage:
    cursor = getattr(rows[-1], key) if len(rows) == limit else None
    return ComparedPage(len(rows), tuple(faults), cursor)


def _stock_faults(row: Row[Any]) -> list[Mismatch]:
    faults = []
    if row.reserved != row.held:
        detail = f"{row.reserved} units are reserved, and {row.held} are held"
        faults.append(Mismatch(MismatchKind.RESERVED_IS_NOT_WHAT_IS_HELD, detail, sku=row.sku))
    if row.received != row.on_hand + row.committed:
        detail = f"{row.received} units were received, {row.on_hand} are on hand and {row.committed} are sold"
        faults.append(Mismatch(MismatchKind.UNITS_APPEARED_OR_VANISHED, detail, sku=row.sku))
    return faults


def _ending_faults(row: Row[Any]) -> list[Mismatch]:
    faults = []
    if row.total_minor is not None and row.total_minor != row.lines_total_minor:
        detail = f"the order's total is {row.total_minor} and its lines are {row.lines_total_minor} minor units"
        faults.append(Mismatch(MismatchKind.ORDER_IS_NOT_ITS_LINES, detail, row.checkout_id))
    if row.is_confirmed_in_part:
        detail = "the checkout is confirmed, and its order, its payment or its stock does not say so"
        faults.append(Mismatch(MismatchKind.CONFIRMED_IN_PART, detail, row.checkout_id))
    if row.is_undone_in_part:
        detail = f"the checkout is {row.status}, and its order, its payment or its stock does not say so"
        faults.append(Mismatch(MismatchKind.UNDONE_IN_PART, detail, row.checkout_id))
    return faults
