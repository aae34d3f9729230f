"""Where support's commands on a stuck payment are taken, one at a time.

Two who press the same button do one thing: the second is answered with the first. A command that cannot be carried out
(the outcome is still unknown, or the provider contradicts) is refused, and charges nothing. What the provider said on
that occasion is written down all the same, so the payment may go on from there a moment later.
"""

from types import TracebackType
from typing import Self

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import policies
from workflows.payment.waits import another_run_is_due
from workflows.saga import Saga
from workflows.state.progress import Progress

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities
    from activities.payments.inquiry import PaymentInquiryActivities
    from checkout.domain.errors import Contradicted
    from checkout.domain.messages import (
        Cancel,
        ChargePayment,
        PaymentInQuestion,
        PaymentOutcome,
        Resolution,
        ResolvePayment,
        RetryPayment,
        StaffAction,
    )
    from checkout.domain.states import CheckoutStatus, PaymentStatus

Order = RetryPayment | ResolvePayment


class _Command:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.is_done = False
        self.error: ApplicationError | None = None


class SupportCommands:
    """Open (``with desk:``) while the payment is stuck; from the start, in a run that goes on for one that was."""

    def __init__(self, saga: Saga, progress: Progress) -> None:
        self._saga = saga
        self._progress = progress
        self._command: _Command | None = None
        self._is_open = progress.status == CheckoutStatus.PAYMENT_STUCK
        #: What to pay with next, once a retry has been carried out.
        self.next_method: str | None = None

    def __enter__(self) -> Self:
        self._is_open = True
        self.next_method = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._finish(_not_stuck())

    @property
    def has_command(self) -> bool:
        """Whether somebody waits to be obeyed."""
        return self._command is not None

    def check(self, order: Order) -> None:
        """Whether the order can be taken now.

        Raises:
            ApplicationError: NotStuck; ActionUnderWay when somebody has just ordered something else; BetweenRuns when
                another run is to take it, in a moment.
        """
        if not self._is_open:
            raise _not_stuck()
        if not self._command and another_run_is_due():
            raise ApplicationError("another run is about to begin", type="BetweenRuns", non_retryable=True)
        if self._command and _gist(self._command.order) != _gist(order):
            raise ApplicationError("another action on this payment is under way", type="ActionUnderWay")

    async def submit(self, order: Order) -> None:
        """Have the order carried out, or join the one like it that is under way.

        Raises:
            ApplicationError: as `check`; OutcomeStillUnknown; Contradicted.
        """
        self.check(order)
        command = self._command = self._command or _Command(order)
        await workflow.wait_condition(lambda: command.is_done)
        if command.error:
            raise command.error

    async def carry_out(self, charge: ChargePayment, usual_method: str) -> PaymentOutcome | None:
        """Do what was ordered; the payment's settled outcome, or None when the command had to be refused.

        A retry takes ``usual_method`` where it names none.
        """
        command = self._command
        if command is None:
            return None
        try:
            answer = await self._execute(command.order, charge)
        except ActivityError as error:
            await self._file(command.order, CheckoutStatus.PAYMENT_STUCK)
            self._finish(_refusal(error))
            return None
        await self._file(command.order, CheckoutStatus.PROCESSING)
        if isinstance(command.order, RetryPayment):
            self.next_method = command.order.payment_method or usual_method
        self._finish(None)
        return answer

    async def file_cancel(self, command: Cancel) -> None:
        """Write down who cancelled, and why in their own words, if they had to say so."""
        self._progress.note("staff" if command.note else "step", "cancel", command.actor, command.note)
        if command.note:
            after, before = CheckoutStatus.COMPENSATING, self._progress.status_before
            action = StaffAction(self._progress.view.id, "cancel", before, after, command.actor, command.note)
            try:
                await self._saga.ask(AuditActivities.record_staff_action, action)
            except ActivityError as error:  # What cannot be written down is undone all the same.
                self._progress.note("staff", "cancel could not be written into the audit log", reason=str(error.cause))

    async def _execute(self, order: Order, charge: ChargePayment) -> PaymentOutcome:
        """Settle the outcome that is unknown; only then may anybody be charged again."""
        if isinstance(order, RetryPayment):
            question = PaymentInQuestion(charge.checkout_id, charge.attempt, order.actor, order.reason)
            return await self._saga.ask(PaymentInquiryActivities.settle_payment, question, policies.one_look)
        outcome = PaymentStatus.CAPTURED if order.captured else PaymentStatus.VOIDED
        said = Resolution(
            charge.checkout_id, charge.attempt, outcome, order.provider_reference, order.actor, order.reason
        )
        return await self._saga.ask(PaymentInquiryActivities.resolve_payment, said, policies.one_look)

    async def _file(self, order: Order, after: CheckoutStatus) -> None:
        name = "retry_payment" if isinstance(order, RetryPayment) else "resolve_payment"
        outcome = "" if after == CheckoutStatus.PROCESSING else ": refused"
        self._progress.note("staff", f"{name}{outcome}", order.actor, order.reason)
        action = StaffAction(
            self._progress.view.id, name, CheckoutStatus.PAYMENT_STUCK, after, order.actor, order.reason
        )
        await self._saga.ask(AuditActivities.record_staff_action, action)

    def _finish(self, error: ApplicationError | None) -> None:
        if self._command:
            self._command.error = error
            self._command.is_done = True
            self._command = None


def _gist(order: Order) -> tuple[object, ...]:
    """What an order wants done, whoever gives it and why."""
    if isinstance(order, RetryPayment):
        return ("retry", order.payment_method)
    return ("resolve", order.captured, order.provider_reference)


def _not_stuck() -> ApplicationError:
    return ApplicationError("the payment is not stuck (any more)", type="NotStuck", non_retryable=True)


def _refusal(error: ActivityError) -> ApplicationError:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == Contradicted.__name__:
        return ApplicationError(cause.message, type="Contradicted", non_retryable=True)
    text = f"what became of the previous try is still unknown: {cause or error}"
    return ApplicationError(text, type="OutcomeStillUnknown", non_retryable=True)
