"""Collecting the money of one checkout: charge, wait for whoever has the turn, charge again, until it is paid or not.

The turn is the provider's (the payment is pending at the bank), the customer's (it was declined, or wants
authentication: the payment window runs), or support's (what became of it is unknown, or no payment can be taken at
present). Looking at the provider decides; an event from it only makes the next look come sooner.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from temporalio import workflow
from temporalio.exceptions import ActivityError, RetryState

from workflows import policies
from workflows.activity_runner import ActivityRunner
from workflows.payment.support_commands import SupportCommands
from workflows.payment.waits import Waits
from workflows.policies import Policy
from workflows.saga import Saga, Step, StepRefused
from workflows.state.audit_trail import AuditTrail
from workflows.state.progress import Progress
from workflows.state.updates import refusal

with workflow.unsafe.imports_passed_through():
    from activities.payments.inquiry import PaymentInquiryActivities
    from activities.payments.provider_hold import ProviderHoldActivities
    from checkout.domain.commands import SubmitPayment, UpdateRefusal
    from checkout.domain.messages import ChargePayment, CheckoutRequest, PaymentInQuestion, PaymentOutcome, Timeouts
    from checkout.domain.money import Money
    from checkout.domain.resume import PaymentPosition
    from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
    from checkout.domain.view import TimelineKind

#: A checkout whose payment is held is told within a minute when it may go on. It looks for itself after so many times
#: of what a payment may take before it is stuck, for somebody may have terminated the workflow that would tell it.
_HELD_FACTOR = 5

#: The saga's step that charges one attempt.
ChargeStep = Step[ChargePayment, PaymentOutcome]


class PaymentCollection:
    """The payment of one checkout. A run that goes on for another begins where that one stood."""

    def __init__(
        self, request: CheckoutRequest, saga: Saga, runner: ActivityRunner, progress: Progress, audit_trail: AuditTrail
    ) -> None:
        position = request.resume.payment if request.resume else None
        self._request = request
        self._saga = saga
        self._runner = runner
        self._progress = progress
        self._audit_trail = audit_trail
        self._window_seconds = request.timeouts.payment_window_seconds
        self._waits = Waits(position)
        self._next_method = position.next_method if position else None
        self._uncounted_attempts = position.uncounted_attempts if position else 0
        is_stuck = progress.status == CheckoutStatus.PAYMENT_STUCK
        self.support = SupportCommands(runner, audit_trail, is_stuck=is_stuck)

    async def collect(self, step: ChargeStep, total_minor: int) -> None:
        """Run the step once for each attempt of the customer; return when one has captured the money.

        Raises:
            StepRefused: declined too often, not paid in time, or a wrong amount was taken.
        """
        request, resumed = self._request, self._waits.resumed
        method = resumed.payment_method if resumed else request.payment_method
        for attempt in count(resumed.attempt if resumed else 1):
            charge = ChargePayment(request.checkout_id, attempt, method, total_minor, request.currency)
            outcome = await self._final_outcome(step, charge)
            if outcome.status == PaymentStatus.CAPTURED:
                return
            if not self._may_try_after(attempt) and self._next_method is None:
                raise StepRefused(Reason.PAYMENT_DECLINED, outcome)
            method = await self._customer_chooses_another_method(outcome)

    def check(self, _: SubmitPayment) -> None:
        """Whether the customer may pay in another way now.

        Raises:
            ApplicationError: NotAwaitingPayment, when it is not the customer's turn, or no attempt is left.
        """
        may_try = self._may_try_after(self._progress.view.payment.attempts)
        if self._progress.status != CheckoutStatus.AWAITING_PAYMENT or self._next_method is not None or not may_try:
            raise refusal(UpdateRefusal.NOT_AWAITING_PAYMENT, "no payment is awaited")

    def submit(self, command: SubmitPayment) -> None:
        """The customer pays in another way.

        Raises:
            ApplicationError: as `check`.
        """
        self.check(command)
        self._next_method = command.payment_method
        self._progress.note(TimelineKind.ATTEMPT, f"{command.payment_method} submitted", actor="customer")
        self._progress.becomes(CheckoutStatus.PROCESSING)

    def nudge(self) -> None:
        """The provider has news: look now."""
        self._waits.nudge()

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is under way, so that another run may take over."""
        return self._waits.is_waiting

    @property
    def position(self) -> PaymentPosition:
        """Where the payment stands, for that run; only while it is waiting."""
        return replace(self._waits.position, next_method=self._next_method, uncounted_attempts=self._uncounted_attempts)

    def _may_try_after(self, attempt: int) -> bool:
        return attempt - self._uncounted_attempts < self._request.timeouts.max_attempts

    async def _final_outcome(self, step: ChargeStep, charge: ChargePayment) -> PaymentOutcome:
        """Charge, and wait for as long as anybody can still change what becomes of it."""
        if self._waits.resumed:
            outcome = self._progress.last_outcome()
        else:
            self._progress.paying(charge)
            outcome = self._learned(charge, await self._charge(step, charge))
        while True:
            match outcome.status:
                case PaymentStatus.PENDING:
                    outcome = await self._provider_decides(charge)
                case PaymentStatus.REQUIRES_ACTION:
                    outcome = await self._customer_authenticates(charge, outcome)
                case PaymentStatus.UNKNOWN:
                    outcome = await self._support_decides(step, charge, outcome.held)
                case _:
                    return outcome
            self._learned(charge, outcome)

    def _learned(self, charge: ChargePayment, outcome: PaymentOutcome) -> PaymentOutcome:
        self._progress.paid(outcome, charge.attempt)
        self._waits.begin(charge)
        return outcome

    async def _charge(self, step: ChargeStep, charge: ChargePayment) -> PaymentOutcome:
        summary = f"{Money(charge.amount_minor, charge.currency)} by {charge.payment_method}, attempt {charge.attempt}"
        try:
            return await self._saga.run_step(step, charge, summary=summary)
        except ActivityError as error:
            if error.retry_state == RetryState.NON_RETRYABLE_FAILURE:
                raise
            return PaymentOutcome(PaymentStatus.UNKNOWN)

    async def _customer_chooses_another_method(self, declined: PaymentOutcome) -> str:
        """It is the customer's turn after a decline: the method to pay with next, within the payment window."""
        resumed = self._waits.take_over()
        if self._next_method is None and not resumed:
            await self._audit_trail.waits(CheckoutStatus.AWAITING_PAYMENT)
        closes_at = resumed.closes_at if resumed else self._waits.open_window(self._window_seconds)
        await self._waits.until(lambda: self._next_method is not None, closes_at - workflow.time())
        if self._next_method is None:
            raise StepRefused(Reason.PAYMENT_WINDOW_EXPIRED, declined)
        method, self._next_method = self._next_method, None
        return method or self._request.payment_method

    async def _provider_decides(self, charge: ChargePayment) -> PaymentOutcome:
        """The payment is pending, which may take the bank minutes or days."""
        resumed = self._waits.take_over()
        if not resumed:
            self._progress.publish()
        pauses_seconds = self._waits.pauses(resumed, first=1, growth=1.5, slowest=3600)
        while True:
            await self._waits.pause(next(pauses_seconds))
            outcome = await self._look(charge)
            if outcome and outcome.status != PaymentStatus.PENDING:
                return outcome

    async def _customer_authenticates(self, charge: ChargePayment, required: PaymentOutcome) -> PaymentOutcome:
        """The customer authenticates, or pays in another way, or the payment window closes (only after a look)."""
        resumed = self._waits.take_over()
        if not resumed:
            await self._audit_trail.waits(CheckoutStatus.AWAITING_PAYMENT)
        closes_at = resumed.closes_at if resumed else self._waits.open_window(self._window_seconds)
        pauses_seconds = self._waits.pauses(resumed, first=1, growth=1.3, slowest=600)
        while True:
            pause_seconds, left_seconds = next(pauses_seconds), closes_at - workflow.time()
            pause_seconds = min(pause_seconds, left_seconds) if left_seconds > 0 else pause_seconds
            await self._waits.pause(pause_seconds, or_until=lambda: self._next_method is not None)
            if self._next_method:
                return await self._settle(charge)
            looked = await self._look(charge)
            if looked and looked.status != PaymentStatus.REQUIRES_ACTION:
                return looked
            if looked and workflow.time() >= closes_at:
                raise StepRefused(Reason.PAYMENT_WINDOW_EXPIRED, required)

    async def _support_decides(self, step: ChargeStep, charge: ChargePayment, held: Reason | None) -> PaymentOutcome:
        """The payment is stuck, and support may command. Where its outcome is unknown, the provider is asked again with
        the same key; where no payment can be taken (``held`` says why), one workflow asks for all that wait.
        """
        resumed = self._waits.take_over()
        pauses_seconds = self._waits.pauses(resumed, first=5, growth=1.3, slowest=3600)
        with self.support:  # Open before anybody can see that the payment is stuck.
            if not resumed:
                await self._audit_trail.waits(CheckoutStatus.PAYMENT_STUCK, held)
            while True:
                told_within_seconds = await self._wait_with_the_others(charge) if held else None
                await self._waits.pause(
                    told_within_seconds or next(pauses_seconds), or_until=lambda: self.support.is_pending
                )
                commanded = self.support.is_pending
                outcome = await (self._carry_out(charge) if commanded else self._ask_again(step, charge))
                if outcome and not outcome.held:
                    return outcome
                if held != (held := outcome.held if outcome else None):
                    await self._audit_trail.waits(CheckoutStatus.PAYMENT_STUCK, held)

    async def _wait_with_the_others(self, charge: ChargePayment) -> float | None:
        """Ask to be signalled when payments are taken again; how long to wait for that at most, in seconds. None when
        no other payment is held (any more), so that this one has to ask for itself.
        """
        question = PaymentInQuestion(charge.checkout_id, charge.attempt)
        is_held = await self._runner.run(ProviderHoldActivities.wait_for_provider, question, policies.temporal)
        return _HELD_FACTOR * self._request.timeouts.payment_stuck_after_seconds if is_held else None

    async def _carry_out(self, charge: ChargePayment) -> PaymentOutcome | None:
        outcome = await self.support.carry_out(charge, self._next_method or charge.payment_method)
        if outcome and outcome.refusal:
            raise StepRefused(outcome.refusal, outcome)
        if outcome and not outcome.verified and outcome.status == PaymentStatus.VOIDED:
            # Only a person says that nothing was taken: enough to end the checkout, and too little to charge again.
            raise StepRefused(Reason.CANCELLED_BY_SUPPORT, outcome)
        if outcome and outcome.status == PaymentStatus.VOIDED:
            self._uncounted_attempts += 1  # What it was is unknown, so it does not count as the customer's.
        if outcome and outcome.status != PaymentStatus.CAPTURED:
            self._next_method = self.support.next_method or self._next_method
        return outcome

    async def _ask_again(self, step: ChargeStep, charge: ChargePayment) -> PaymentOutcome | None:
        """Ask the provider again; a customer who has chosen another method is not charged by this one any more."""
        if self._next_method is None:
            return await self._charge_again(step, charge)
        outcome = await self._settle(charge, policies.one_look)
        return None if outcome.status == PaymentStatus.UNKNOWN else outcome

    async def _charge_again(self, step: ChargeStep, charge: ChargePayment) -> PaymentOutcome | None:
        try:
            return await self._saga.run_step(step, charge, policies.one_look)
        except ActivityError:
            return None

    async def _look(self, charge: ChargePayment) -> PaymentOutcome | None:
        """What the provider says now; None while it says nothing, for which the activity's failure gives the reason."""
        question = PaymentInQuestion(charge.checkout_id, charge.attempt)
        try:
            outcome = _kept(
                await self._runner.run(PaymentInquiryActivities.look_up_payment, question, policies.one_look)
            )
        except ActivityError:
            return None
        # An attempt that the provider gave up by itself does not count as the customer's.
        self._uncounted_attempts += outcome.status == PaymentStatus.VOIDED
        return outcome

    async def _settle(
        self, charge: ChargePayment, policy: Callable[[Timeouts], Policy] = policies.provider
    ) -> PaymentOutcome:
        """Make sure that this attempt takes nothing any more, before the customer pays in another way."""
        question = PaymentInQuestion(charge.checkout_id, charge.attempt, "customer", "pays in another way")
        try:
            return _kept(await self._runner.run(PaymentInquiryActivities.settle_payment, question, policy))
        except ActivityError:
            return PaymentOutcome(PaymentStatus.UNKNOWN)


def _kept(outcome: PaymentOutcome) -> PaymentOutcome:
    if outcome.refusal:
        raise StepRefused(outcome.refusal, outcome)
    return outcome
