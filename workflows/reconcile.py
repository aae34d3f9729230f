"""Reconciliation: compare stock, orders, payments and the provider's ledger, repair what is safe, report the rest.

Runs by a schedule and on demand. It changes nothing that a running checkout is working on, and undoes a checkout that
no workflow works on by the same saga, so with the same undos in the same order.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import policies
from workflows.activity_runner import ActivityRunner
from workflows.checkout import STEPS
from workflows.saga import Saga

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation.ledger import LedgerActivities
    from activities.reconciliation.orphan_payments import OrphanPaymentActivities
    from activities.reconciliation.tables import ReconcileActivities
    from checkout.domain.messages import Timeouts, Undo
    from checkout.domain.reconcile import (
        ComparedPage,
        Mismatch,
        MismatchKind,
        PageQuery,
        ReconcileReport,
        ReconcileRequest,
    )
    from checkout.domain.states import Reason
    from checkout.temporal.names import CHECKOUT_STATUS, RECONCILE_WORKFLOW

#: What is compared, and by which activity. Abandoned checkouts come first, since to undo them settles the rest of them.
STAGES = (
    ("open checkouts", ReconcileActivities.compare_workflows),
    ("articles", ReconcileActivities.compare_stock),
    ("ended checkouts", ReconcileActivities.compare_endings),
    ("early events", ReconcileActivities.match_events),
    ("payments at the provider", LedgerActivities.compare_ledger),
)
_REPAIRS_AT_ONCE = 10
_LISTED_IN_THE_UI = 20


@workflow.defn(name=RECONCILE_WORKFLOW)
class ReconcileWorkflow:
    """One comparison of stock, reservations, orders, payments and the provider's ledger."""

    @workflow.init
    def __init__(self, request: ReconcileRequest) -> None:
        now = workflow.now()
        since = now - timedelta(hours=request.window_hours)
        self._report = request.report or ReconcileReport(since.isoformat(), now.isoformat())
        self._runner = ActivityRunner(Timeouts())

    @workflow.run
    async def run(self, request: ReconcileRequest) -> ReconcileReport:
        """Every mismatch is part of the result; ones that wait for a person mark the workflow as a mismatch as well."""
        self._publish("Comparing stock, orders and payments with each other and with the provider's ledger.")
        for stage in range(request.stage, len(STAGES)):
            await self._compare(request, stage, request.cursor if stage == request.stage else None)
        if self._report.unrepaired:
            workflow.upsert_search_attributes([CHECKOUT_STATUS.value_set("mismatch")])
        self._publish(_verdict(self._report))
        return self._report

    @workflow.query
    def progress(self) -> ReconcileReport:
        """What has been compared and found so far."""
        return self._report

    async def _compare(self, request: ReconcileRequest, stage: int, cursor: str | None) -> None:
        what, _ = STAGES[stage]
        while True:
            query = PageQuery(self._report.since, self._report.until, request.grace_seconds, cursor)
            page = await self._page(stage, query)
            repaired = await self._repaired(page.mismatches)
            self._report = self._report.with_page(what, page.checked, tuple(repaired))
            cursor = page.next_cursor
            if cursor is None:
                return
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(replace(request, report=self._report, stage=stage, cursor=cursor))

    async def _page(self, stage: int, query: PageQuery) -> ComparedPage:
        what, activity = STAGES[stage]
        try:
            return await self._runner.run(activity, query, policies.comparison)
        except ActivityError as error:
            return ComparedPage(0, (Mismatch(MismatchKind.NOT_COMPARED, f"{what}: {error.cause or error}"),))

    async def _repaired(self, mismatches: tuple[Mismatch, ...]) -> list[Mismatch]:
        done: list[Mismatch] = []
        for first in range(0, len(mismatches), _REPAIRS_AT_ONCE):
            done += await asyncio.gather(*map(self._repair, mismatches[first : first + _REPAIRS_AT_ONCE]))
        return done

    async def _repair(self, mismatch: Mismatch) -> Mismatch:
        try:
            if mismatch.kind.is_undone and mismatch.checkout_id:
                await self._undo(mismatch.checkout_id)
                return replace(mismatch, repaired=True)
            if mismatch.kind.is_orphan_payment:
                summary = f"{mismatch.checkout_id}: {mismatch.kind}"
                landed = await self._runner.run(
                    OrphanPaymentActivities.refund_orphan_payment, mismatch, policies.comparison, summary
                )
                return replace(mismatch, repaired=landed)
        except ActivityError as error:
            return replace(mismatch, detail=f"{mismatch.detail}; it could not be repaired: {error.cause or error}")
        return mismatch

    async def _undo(self, checkout_id: str) -> None:
        """What the checkout's workflow would have done, had somebody pressed *Cancel* instead of *Terminate*."""
        saga = Saga(self._runner, STEPS, [step.name for step in STEPS])
        undo = Undo(checkout_id, Reason.CANCELLED_BY_OPERATOR, "reconciliation")
        await saga.compensate(undo, policy=policies.comparison, summary=f"Undo {checkout_id}")

    def _publish(self, sentence: str) -> None:
        listed = self._report.mismatches[:_LISTED_IN_THE_UI]
        workflow.set_current_details("\n".join([f"{sentence}\n", *map(_line, listed)]))


def _verdict(report: ReconcileReport) -> str:
    if report.unrepaired:
        return (
            f"**{report.unrepaired} mismatches need a person**, {report.repaired} were repaired. "
            "The result lists them, and so does `checkout reconcile`."
        )
    return f"{report.repaired} mismatches were found and repaired." if report.found else "Everything agrees."


def _line(mismatch: Mismatch) -> str:
    state = "repaired" if mismatch.repaired else "**open**"
    return f"* {mismatch.kind}, {mismatch.checkout_id or mismatch.sku or '-'}: {mismatch.detail} ({state})"
