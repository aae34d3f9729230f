"""The story of getting paid: try, wait for whoever has the turn, try again, until the money is there or is not to be.

The turns are the provider's (pending: look again, ever slower), the customer's (declined, or something to do: the
window runs), and support's (nobody knows: ask on, and take commands). A look at the provider decides; an event from it
only makes the next look come sooner.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, RetryState

from workflows import policies
from workflows.payment.support_commands import SupportCommands
from workflows.payment.waits import Waits
from workflows.policies import Policy
from workflows.saga import Refused, Saga, Step
from workflows.state.progress import Progress

with workflow.unsafe.imports_passed_through():
    from activities.payments.charge import PaymentActivities
    from activities.payments.inquiry import PaymentInquiryActivities
    from activities.payments.provider_hold import ProviderHoldActivities
    from checkout.domain.messages import (
        ChargePayment,
        CheckoutRequest,
        PaymentInQuestion,
        PaymentOutcome,
        SubmitPayment,
        Timeouts,
    )
    from checkout.domain.money import Money
    from checkout.domain.resume import PaymentPosition
    from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason

#: A checkout whose payment is held is told within a minute when it may go on. It looks for itself after so many times
#: of what a payment may take before it is stuck, for somebody may have terminated the workflow that would tell it.
_HELD_FACTOR = 5

CHARGE_PAYMENT = Step(
    PaymentActivities.charge_payment,
    PaymentActivities.refund_payment,
    policy=policies.provider,
    undo_policy=policies.provider_undo,
    undo_when_refused=True,
)


class PaymentCollection:
    """Collects the money of one checkout. A run that goes on for another begins where that one stood."""

    def __init__(self, request: CheckoutRequest, saga: Saga, progress: Progress) -> None:
        position = request.resume.payment if request.resume else None
        self._request = request
        self._saga = saga
        self._progress = progress
        self._window_seconds = request.timeouts.payment_window_seconds
        self._waits = Waits(position)
        self._next_method = position.next_method if position else None
        self._uncounted_tries = position.uncounted_tries if position else 0
        self.desk = SupportCommands(saga, progress)

    async def collect(self, total_minor: int) -> None:
        """Return when the money is there.

        Raises:
            Refused: it is not to be: declined too often, not paid in time, or a wrong amount was taken.
        """
        request, resumed = self._request, self._waits.resumed
        method = resumed.payment_method if resumed else request.payment_method
        for attempt in count(resumed.attempt if resumed else 1):
            charge = ChargePayment(request.checkout_id, attempt, method, total_minor, request.currency)
            answer = await self._outcome(charge)
            if answer.status == PaymentStatus.CAPTURED:
                return
            if not self._may_try_after(attempt) and self._next_method is None:
                raise Refused(Reason.PAYMENT_DECLINED, answer)
            method = await self._another_method(answer)

    def check(self, _: SubmitPayment) -> None:
        """Whether the customer may pay in another way now.

        Raises:
            ApplicationError: NotAwaitingPayment, when it is not the customer's turn, or no try is left.
        """
        may_try = self._may_try_after(self._progress.view.payment.attempts)
        if self._progress.status != CheckoutStatus.AWAITING_PAYMENT or self._next_method is not None or not may_try:
            raise ApplicationError("no payment is awaited", type="NotAwaitingPayment", non_retryable=True)

    def submit(self, command: SubmitPayment) -> None:
        """The customer pays in another way.

        Raises:
            ApplicationError: as `check`.
        """
        self.check(command)
        self._next_method = command.payment_method
        self._progress.note("attempt", f"{command.payment_method} submitted", actor="customer")
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
        return replace(self._waits.position, next_method=self._next_method, uncounted_tries=self._uncounted_tries)

    def _may_try_after(self, attempt: int) -> bool:
        return attempt - self._uncounted_tries < self._request.timeouts.max_attempts

    async def _outcome(self, charge: ChargePayment) -> PaymentOutcome:
        """Charge, and wait for as long as anybody can still change what becomes of it."""
        if self._waits.resumed:
            answer = self._progress.last_answer()
        else:
            self._progress.paying(charge)
            answer = self._learned(charge, await self._charge(charge))
        while True:
            match answer.status:
                case PaymentStatus.PENDING:
                    answer = await self._providers_turn(charge)
                case PaymentStatus.REQUIRES_ACTION:
                    answer = await self._customers_turn(charge, answer)
                case PaymentStatus.UNKNOWN:
                    answer = await self._supports_turn(charge, answer.held)
                case _:
                    return answer
            self._learned(charge, answer)

    def _learned(self, charge: ChargePayment, answer: PaymentOutcome) -> PaymentOutcome:
        self._progress.paid(answer, charge.attempt)
        self._waits.begin(charge)
        return answer

    async def _charge(self, charge: ChargePayment) -> PaymentOutcome:
        summary = f"{Money(charge.amount_minor, charge.currency)} by {charge.payment_method}, try {charge.attempt}"
        try:
            return await self._saga.take(CHARGE_PAYMENT, charge, summary=summary)
        except ActivityError as error:
            if error.retry_state == RetryState.NON_RETRYABLE_FAILURE:
                raise
            return PaymentOutcome(PaymentStatus.UNKNOWN)

    async def _another_method(self, answer: PaymentOutcome) -> str:
        """The customer's next method, within the window."""
        resumed = self._waits.take_over()
        if self._next_method is None and not resumed:
            await self._progress.enters(CheckoutStatus.AWAITING_PAYMENT, self._saga)
        closes_at = resumed.closes_at if resumed else self._waits.open_window(self._window_seconds)
        await self._waits.until(lambda: self._next_method is not None, closes_at - workflow.time())
        if self._next_method is None:
            raise Refused(Reason.PAYMENT_WINDOW_EXPIRED, answer)
        method, self._next_method = self._next_method, None
        return method or self._request.payment_method

    async def _providers_turn(self, charge: ChargePayment) -> PaymentOutcome:
        """The bank takes minutes or days."""
        pauses_seconds = self._waits.pauses(self._waits.take_over(), first=1, growth=1.5, slowest=3600)
        while True:
            await self._waits.pause(next(pauses_seconds))
            answer = await self._look(charge)
            if answer and answer.status != PaymentStatus.PENDING:
                return answer

    async def _customers_turn(self, charge: ChargePayment, answer: PaymentOutcome) -> PaymentOutcome:
        """The customer authenticates, or pays in another way, or the window closes; it never closes on a guess."""
        resumed = self._waits.take_over()
        if not resumed:
            await self._progress.enters(CheckoutStatus.AWAITING_PAYMENT, self._saga)
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
                raise Refused(Reason.PAYMENT_WINDOW_EXPIRED, answer)

    async def _supports_turn(self, charge: ChargePayment, held: Reason | None) -> PaymentOutcome:
        """Nobody knows, so the provider is asked again with the same key; or nobody can be charged (``held`` says why),
        so the one workflow that asks for all tells when to go on. Support may command.
        """
        resumed = self._waits.take_over()
        pauses_seconds = self._waits.pauses(resumed, first=5, growth=1.3, slowest=3600)
        with self.desk:  # Open before anybody can see that the payment is stuck.
            if not resumed:
                await self._progress.enters(CheckoutStatus.PAYMENT_STUCK, self._saga, held)
            while True:
                told_within_seconds = await self._join(charge) if held else None
                await self._waits.pause(
                    told_within_seconds or next(pauses_seconds), or_until=lambda: self.desk.has_command
                )
                answer = await (self._obey(charge) if self.desk.has_command else self._go_on(charge))
                if answer and not answer.held:
                    return answer
                if held != (held := answer.held if answer else None):
                    await self._progress.enters(CheckoutStatus.PAYMENT_STUCK, self._saga, held)

    async def _join(self, charge: ChargePayment) -> float | None:
        """Have it told when payments are taken again; how long to wait for that at most, in seconds. None when nobody
        else's are held (any more), so that it has to ask for itself.
        """
        question = PaymentInQuestion(charge.checkout_id, charge.attempt)
        is_held = await self._saga.ask(ProviderHoldActivities.wait_for_provider, question, policies.temporal)
        return _HELD_FACTOR * self._request.timeouts.payment_stuck_after_seconds if is_held else None

    async def _obey(self, charge: ChargePayment) -> PaymentOutcome | None:
        answer = await self.desk.carry_out(charge, self._next_method or charge.payment_method)
        if answer and answer.refusal:
            raise Refused(answer.refusal, answer)
        if answer and not answer.verified and answer.status == PaymentStatus.VOIDED:
            # Only a person says that nothing was taken. That is enough to end it, and too little to charge again.
            raise Refused(Reason.CANCELLED_BY_SUPPORT, answer)
        if answer and answer.status == PaymentStatus.VOIDED:
            self._uncounted_tries += 1  # Nobody knows what it was, so it is none of the customer's.
        if answer and answer.status != PaymentStatus.CAPTURED:
            self._next_method = self.desk.next_method or self._next_method
        return answer

    async def _go_on(self, charge: ChargePayment) -> PaymentOutcome | None:
        """Ask again; but who has chosen to pay in another way is not charged in this one any more."""
        if self._next_method is None:
            return await self._ask_on(charge)
        answer = await self._settle(charge, policies.one_look)
        return None if answer.status == PaymentStatus.UNKNOWN else answer

    async def _ask_on(self, charge: ChargePayment) -> PaymentOutcome | None:
        try:
            return await self._saga.take(CHARGE_PAYMENT, charge, policies.one_look)
        except ActivityError:
            return None

    async def _look(self, charge: ChargePayment) -> PaymentOutcome | None:
        """What the provider says now; None while it says nothing, for which the activity's failure gives the reason."""
        question = PaymentInQuestion(charge.checkout_id, charge.attempt)
        try:
            answer = _kept(await self._saga.ask(PaymentInquiryActivities.look_up_payment, question, policies.one_look))
        except ActivityError:
            return None
        # A try that the provider gave up by itself is none of the customer's.
        self._uncounted_tries += answer.status == PaymentStatus.VOIDED
        return answer

    async def _settle(
        self, charge: ChargePayment, policy: Callable[[Timeouts], Policy] = policies.provider
    ) -> PaymentOutcome:
        """Make sure that this try takes nothing any more, before the customer pays in another way."""
        question = PaymentInQuestion(charge.checkout_id, charge.attempt, "customer", "pays in another way")
        try:
            return _kept(await self._saga.ask(PaymentInquiryActivities.settle_payment, question, policy))
        except ActivityError:
            return PaymentOutcome(PaymentStatus.UNKNOWN)


def _kept(answer: PaymentOutcome) -> PaymentOutcome:
    if answer.refusal:
        raise Refused(answer.refusal, answer)
    return answer
