"""Support's commands on a stuck payment (retry, resolve): taken one at a time, and carried out in the payment's turn.

Two who send the same command do one thing: the second gets the result of the first. A command that cannot be carried
out (the outcome is still unknown, or the provider contradicts) is refused, and charges nothing. What the provider said
on that occasion is written down all the same, so the payment may go on from there a moment later.
"""

from types import TracebackType
from typing import Self

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import policies
from workflows.activity_runner import ActivityRunner
from workflows.payment.waits import another_run_is_due
from workflows.state.audit_trail import AuditTrail
from workflows.state.updates import refusal

with workflow.unsafe.imports_passed_through():
    from activities.payments.inquiry import PaymentInquiryActivities
    from checkout.domain.commands import RetryPayment, SupportCommand, UpdateRefusal
    from checkout.domain.errors import Contradicted
    from checkout.domain.messages import ChargePayment, PaymentInQuestion, PaymentOutcome, Resolution
    from checkout.domain.states import CheckoutStatus, PaymentStatus


class _Submitted:
    def __init__(self, command: SupportCommand) -> None:
        self.command = command
        self.is_done = False
        self.error: ApplicationError | None = None


class SupportCommands:
    """Taken (``with commands:``) while the payment is stuck; from the start, in a run that goes on for one that was."""

    def __init__(self, runner: ActivityRunner, audit_trail: AuditTrail, *, is_stuck: bool) -> None:
        self._runner = runner
        self._audit_trail = audit_trail
        self._submitted: _Submitted | None = None
        self._is_stuck = is_stuck
        #: What to pay with next, once a retry has been carried out.
        self.next_method: str | None = None

    def __enter__(self) -> Self:
        self._is_stuck = True
        self.next_method = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stuck = False
        self._finish(_not_stuck())

    @property
    def is_pending(self) -> bool:
        """Whether a command waits to be carried out."""
        return self._submitted is not None

    def check(self, command: SupportCommand) -> None:
        """Whether the command can be taken now.

        Raises:
            ApplicationError: NotStuck; ActionUnderWay when another command is being carried out; BetweenRuns when
                another run is to take it, in a moment.
        """
        if not self._is_stuck:
            raise _not_stuck()
        if not self._submitted and another_run_is_due():
            raise refusal(UpdateRefusal.BETWEEN_RUNS, "another run is about to begin")
        if self._submitted and _effect(self._submitted.command) != _effect(command):
            raise refusal(UpdateRefusal.ACTION_UNDER_WAY, "another action on this payment is under way")

    async def submit(self, command: SupportCommand) -> None:
        """Have the command carried out, or join the one like it that is being carried out.

        Raises:
            ApplicationError: as `check`; OutcomeStillUnknown; Contradicted.
        """
        self.check(command)
        submitted = self._submitted = self._submitted or _Submitted(command)
        await workflow.wait_condition(lambda: submitted.is_done)
        if submitted.error:
            raise submitted.error

    async def carry_out(self, charge: ChargePayment, usual_method: str) -> PaymentOutcome | None:
        """Do what was commanded; the payment's settled outcome, or None when the command had to be refused.

        A retry takes ``usual_method`` where it names none.
        """
        if self._submitted is None:
            return None
        command = self._submitted.command
        try:
            outcome = await self._settle(command, charge)
        except ActivityError as error:
            await self._audit_trail.commanded(command, CheckoutStatus.PAYMENT_STUCK)
            self._finish(_refused(error))
            return None
        await self._audit_trail.commanded(command, CheckoutStatus.PROCESSING)
        if isinstance(command, RetryPayment):
            self.next_method = command.payment_method or usual_method
        self._finish(None)
        return outcome

    async def _settle(self, command: SupportCommand, charge: ChargePayment) -> PaymentOutcome:
        """Settle the outcome that is unknown; only then may anybody be charged again."""
        if isinstance(command, RetryPayment):
            question = PaymentInQuestion(charge.checkout_id, charge.attempt, command.actor, command.reason)
            return await self._runner.run(PaymentInquiryActivities.settle_payment, question, policies.one_look)
        outcome = PaymentStatus.CAPTURED if command.captured else PaymentStatus.VOIDED
        resolution = Resolution(
            charge.checkout_id, charge.attempt, outcome, command.provider_reference, command.actor, command.reason
        )
        return await self._runner.run(PaymentInquiryActivities.resolve_payment, resolution, policies.one_look)

    def _finish(self, error: ApplicationError | None) -> None:
        if self._submitted:
            self._submitted.error = error
            self._submitted.is_done = True
            self._submitted = None


def _effect(command: SupportCommand) -> tuple[object, ...]:
    """What a command wants done, whoever gives it and why."""
    if isinstance(command, RetryPayment):
        return ("retry", command.payment_method)
    return ("resolve", command.captured, command.provider_reference)


def _not_stuck() -> ApplicationError:
    return refusal(UpdateRefusal.NOT_STUCK, "the payment is not stuck (any more)")


def _refused(error: ActivityError) -> ApplicationError:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == Contradicted.__name__:
        return refusal(UpdateRefusal.CONTRADICTED, cause.message)
    text = f"what became of the previous attempt is still unknown: {cause or error}"
    return refusal(UpdateRefusal.OUTCOME_STILL_UNKNOWN, text)
