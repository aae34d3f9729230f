"""What a checkout writes into the tables and the audit log beside its steps: where it waits, and what people did."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows.activity_runner import ActivityRunner
from workflows.state.progress import Progress

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities
    from checkout.domain.commands import Cancel, RetryPayment, SupportCommand
    from checkout.domain.messages import StaffAction, StatusChange
    from checkout.domain.states import CheckoutStatus, Reason
    from checkout.domain.view import TimelineKind


class AuditTrail:
    """Shows what happened in the view and the timeline, and has it written down."""

    def __init__(self, runner: ActivityRunner, progress: Progress) -> None:
        self._runner = runner
        self._progress = progress

    async def waits(self, status: CheckoutStatus, reason: Reason | None = None) -> None:
        """The checkout comes to a status in which it waits for somebody."""
        shown = self._progress.view.reason if status == CheckoutStatus.COMPENSATION_STUCK else reason
        self._progress.becomes(status, shown)
        change = StatusChange(self._progress.view.id, status, reason)
        await self._runner.run(AuditActivities.record_status, change)

    async def cancelled(self, command: Cancel) -> None:
        """Somebody cancelled; who had to say why is in the audit log."""
        note, actor = command.note, command.actor
        if not note:
            return self._progress.note(TimelineKind.STEP, "cancel", actor)
        self._progress.note(TimelineKind.STAFF, "cancel", actor, note)
        before, after = self._progress.status_before, CheckoutStatus.COMPENSATING
        try:
            await self._write("cancel", before, after, actor, note)
        except ActivityError as error:  # What cannot be written down is undone all the same.
            failure = "cancel could not be written into the audit log"
            self._progress.note(TimelineKind.STAFF, failure, reason=str(error.cause))

    async def commanded(self, command: SupportCommand, after: CheckoutStatus) -> None:
        """Support commanded something of a stuck payment, and it led to ``after``."""
        name = "retry_payment" if isinstance(command, RetryPayment) else "resolve_payment"
        outcome = "" if after == CheckoutStatus.PROCESSING else ": refused"
        self._progress.note(TimelineKind.STAFF, f"{name}{outcome}", command.actor, command.reason)
        await self._write(name, CheckoutStatus.PAYMENT_STUCK, after, command.actor, command.reason)

    async def _write(self, name: str, before: CheckoutStatus, after: CheckoutStatus, actor: str, reason: str) -> None:
        action = StaffAction(self._progress.view.id, name, before, after, actor, reason)
        await self._runner.run(AuditActivities.record_staff_action, action)
