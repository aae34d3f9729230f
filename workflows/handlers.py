"""What the outside may ask of a checkout and tell it: queries, updates, and the provider's signals.

An update is refused by its validator where that can be known at once, so that a refusal makes no history and does not
count towards the updates that Temporal allows a run. What is accepted and then refused is in the history.
"""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.payment.collection import PaymentCollection
from workflows.state.cancellation import Cancellation
from workflows.state.progress import Progress
from workflows.state.updates import Updates, refusal

with workflow.unsafe.imports_passed_through():
    from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment, SubmitPayment, UpdateRefusal
    from checkout.domain.events import PaymentEvent
    from checkout.domain.states import CheckoutStatus
    from checkout.domain.view import CheckoutView, TimelineEntry
    from checkout.temporal.names import PAYMENT_EVENT_SIGNAL, RELEASED_SIGNAL


class CheckoutHandlers:
    """The handlers of `CheckoutWorkflow`. They may be called before its `run` has begun."""

    _progress: Progress
    _cancellation: Cancellation
    _payment: PaymentCollection
    _updates: Updates

    @workflow.query
    def status(self) -> CheckoutView:
        """The checkout as its customer may see it."""
        return self._progress.view

    @workflow.query
    def timeline(self) -> list[TimelineEntry]:
        """Everything that happened, in order, for support."""
        return self._progress.timeline

    @workflow.update
    async def cancel(self, command: Cancel) -> CheckoutView:
        """Undo the checkout; returns once that is certain.

        Raises:
            ApplicationError: NotCancellable.
        """
        await self._cancellation.request(command)
        await workflow.wait_condition(lambda: not self._progress.status.can_be_cancelled)
        if self._progress.status == CheckoutStatus.CONFIRMED:
            raise _too_late()
        return self._progress.view

    @cancel.validator
    def refuse_cancel(self, command: Cancel) -> None:
        """Raises ApplicationError of type NotCancellable for what is confirmed, or about to be."""
        if self._cancellation.is_too_late:
            raise _too_late()

    @workflow.update
    async def submit_payment(self, command: SubmitPayment) -> CheckoutView:
        """The customer pays in another way. Raises ApplicationError of type NotAwaitingPayment."""
        await self._updates.once(command, self._payment.submit)
        return self._progress.view

    @submit_payment.validator
    def refuse_payment(self, command: SubmitPayment) -> None:
        """Raises as `PaymentCollection.check` and `Updates.refuse` do."""
        self._updates.refuse(command, self._payment.check)

    @workflow.update
    async def retry_payment(self, command: RetryPayment) -> CheckoutView:
        """Support has the stuck payment tried anew, once its outcome is settled. Raises as `SupportCommands.submit`."""
        await self._updates.once(command, self._payment.support.submit)
        return self._progress.view

    @retry_payment.validator
    def refuse_retry(self, command: RetryPayment) -> None:
        """Raises as `SupportCommands.check` and `Updates.refuse` do."""
        self._updates.refuse(command, self._payment.support.check)

    @workflow.update
    async def resolve_payment(self, command: ResolvePayment) -> CheckoutView:
        """Support says what became of the stuck payment. Raises as `SupportCommands.submit`."""
        await self._updates.once(command, self._payment.support.submit)
        return self._progress.view

    @resolve_payment.validator
    def refuse_resolution(self, command: ResolvePayment) -> None:
        """Raises as `SupportCommands.check` and `Updates.refuse` do."""
        self._updates.refuse(command, self._payment.support.check)

    @workflow.signal(name=RELEASED_SIGNAL)
    def provider_released(self) -> None:
        """The provider takes payments from the shop's account again: ask now."""
        self._payment.nudge()

    @workflow.signal(name=PAYMENT_EVENT_SIGNAL)
    def payment_event(self, event: PaymentEvent) -> None:
        """The provider has news of the payment: a reason to look, not a fact."""
        if self._progress.note_event(event):
            self._payment.nudge()


def _too_late() -> ApplicationError:
    return refusal(UpdateRefusal.NOT_CANCELLABLE, "the order is confirmed, or about to be")
