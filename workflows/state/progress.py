"""What the outside sees of a checkout: the view, the timeline, the search attributes, the text in the Temporal UI."""

from dataclasses import replace
from typing import Any

from temporalio import workflow

from workflows.saga import StepResult
from workflows.state.ui_texts import current_details

with workflow.unsafe.imports_passed_through():
    from checkout.domain.events import PaymentEvent
    from checkout.domain.messages import (
        ChargePayment,
        CheckoutRequest,
        EndedCheckout,
        OrderResult,
        PaymentOutcome,
        UndoResult,
    )
    from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
    from checkout.domain.view import LineView, PaymentView, TimelineEntry, TimelineKind, view_at_start
    from checkout.temporal.names import CHECKOUT_STATUS, CUSTOMER_ID, ORDER_NUMBER, PAYMENT_STATUS


class Progress:
    """Keeps the view of one checkout and publishes its changes."""

    def __init__(self, request: CheckoutRequest) -> None:
        resume = request.resume
        self.view = resume.view if resume else view_at_start(request)
        self.timeline = list(resume.timeline) if resume else []
        self.status_before = resume.status_before if resume else self.view.status
        #: The ids of the provider's events that have come, in their order.
        self.seen_events = dict.fromkeys(resume.seen_events if resume else ())
        self._tell()

    @property
    def status(self) -> CheckoutStatus:
        """Where the checkout stands."""
        return self.view.status

    def note(self, kind: TimelineKind, what: str, actor: str = "workflow", reason: str | None = None) -> None:
        """Something happened that the timeline tells."""
        self.timeline.append(TimelineEntry(_now(), kind, what, actor, reason))

    def note_event(self, event: PaymentEvent) -> bool:
        """The provider says that something happened. Returns False for an event that has come before."""
        if event.event_id in self.seen_events:
            return False
        self.seen_events[event.event_id] = None
        self.note(TimelineKind.EVENT, event.type, actor="provider", reason=event.event_id)
        return True

    def reserved(self) -> None:
        """The stock is held."""
        self.note(TimelineKind.STEP, "stock reserved")

    def ordered(self, order: OrderResult) -> None:
        """The order is written: number, total, names and prices are known."""
        self.note(TimelineKind.STEP, f"order {order.order_number} created")
        self._show(
            order_number=order.order_number,
            total_minor=order.total_minor,
            lines=tuple(LineView(line.sku, line.quantity, line.name, line.unit_price_minor) for line in order.lines),
        )

    def paying(self, charge: ChargePayment) -> None:
        """An attempt to pay begins."""
        self.note(TimelineKind.ATTEMPT, f"attempt {charge.attempt} with {charge.payment_method} started")
        self._goes_on(PaymentView(PaymentStatus.PROCESSING, charge.attempt))

    def paid(self, outcome: PaymentOutcome, attempt: int) -> None:
        """What became of an attempt to pay."""
        self.note(TimelineKind.ATTEMPT, f"attempt {attempt}: {outcome.status}", reason=outcome.decline_code)
        declined = outcome.status == PaymentStatus.DECLINED
        url = outcome.next_action_url
        payment = PaymentView(
            outcome.status,
            attempt,
            decline_code=outcome.decline_code,
            retryable=outcome.retryable if declined else None,
            next_action={"type": "redirect_to_url", "url": url} if url else None,
        )
        self._goes_on(payment)

    def last_outcome(self) -> PaymentOutcome:
        """What became of the last attempt to pay, as the view shows it."""
        payment = self.view.payment
        url = payment.next_action["url"] if payment.next_action else None
        held = self.view.reason if self.view.reason and self.view.reason.is_hold else None
        return PaymentOutcome(payment.status, None, payment.decline_code, bool(payment.retryable), url, held=held)

    def refused(self, result: StepResult) -> None:
        """A step refused; that of a payment tells where the money is now."""
        if isinstance(result, PaymentOutcome):
            self.paid(result, self.view.payment.attempts)

    def undone(self, result: UndoResult) -> None:
        """An undo has succeeded: that of the payment tells where the money is, and the last one how it all ended."""
        if isinstance(result, EndedCheckout):
            self.becomes(result.status, result.reason)
        if isinstance(result, PaymentOutcome):
            if result.status != PaymentStatus.NONE:  # It is when the attempt was undone before it was written down.
                self.note(TimelineKind.STEP, f"payment {result.status}")
            self._show(payment=replace(self.view.payment, status=result.status, next_action=None))

    def ends(self, reason: Reason) -> None:
        """Everything is undone: it ended for this reason, unless the last undo has told of another."""
        if not self.status.is_final:
            self.becomes(reason.ending, reason)

    def becomes(self, status: CheckoutStatus, reason: Reason | None = None) -> None:
        """The checkout comes to another status; ``reason`` says why, where it is not a good one."""
        if status != self.status:
            self.status_before = self.status
            self.note(TimelineKind.STEP, f"{status}", reason=reason)
        payment = self.view.payment
        if status == CheckoutStatus.COMPENSATING and payment.status == PaymentStatus.CAPTURED:
            payment = replace(payment, status=PaymentStatus.REFUNDING)
        self._show(status=status, reason=reason, payment=payment)
        self.publish()

    def ended_before(self, recorded: EndedCheckout) -> None:
        """Another run of this checkout ended long ago, and the tables still know how."""
        if recorded.order_number:  # What was rejected has none, and keeps the lines that were asked for.
            self.ordered(OrderResult(None, recorded.order_number, recorded.total_minor, recorded.lines))
        payment = replace(self.view.payment, status=recorded.payment_status, attempts=recorded.attempts)
        self._show(payment=replace(payment, decline_code=recorded.decline_code))
        self.becomes(recorded.status, recorded.reason)

    def _goes_on(self, payment: PaymentView) -> None:
        """A payment that was stuck or awaited is under way again; a checkout that is being undone stays so."""
        waited = self.status in (CheckoutStatus.AWAITING_PAYMENT, CheckoutStatus.PAYMENT_STUCK)
        if not waited:
            return self._show(payment=payment)
        self._show(status=CheckoutStatus.PROCESSING, reason=None, payment=payment)
        return self.publish()

    def _show(self, **changes: Any) -> None:
        self.view = replace(self.view, updated_at=_now(), **changes)
        self._tell()

    def _tell(self) -> None:
        workflow.set_current_details(current_details(self.view))

    def publish(self) -> None:
        """Bring the search attributes up to date: at each change of the status, and where a payment begins to wait."""
        view = self.view
        attributes = [
            CHECKOUT_STATUS.value_set(view.status),
            PAYMENT_STATUS.value_set(view.payment.status),
            CUSTOMER_ID.value_set(view.customer_id),
        ]
        if view.order_number:
            attributes.append(ORDER_NUMBER.value_set(view.order_number))
        workflow.upsert_search_attributes(attributes)


def _now() -> str:
    return workflow.now().isoformat(timespec="milliseconds")
