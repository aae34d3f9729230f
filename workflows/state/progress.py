"""What the outside sees of a checkout under way: the view, the search attributes and the text in the Temporal UI."""

from dataclasses import replace
from typing import Any

from temporalio import workflow

from workflows.saga import Saga

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities
    from checkout.domain.messages import (
        ChargePayment,
        CheckoutRequest,
        OrderResult,
        PaymentEvent,
        PaymentOutcome,
        RecordedEnding,
        StatusChange,
    )
    from checkout.domain.money import Money
    from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
    from checkout.domain.view import CheckoutView, LineView, PaymentView, TimelineEntry, view_at_start
    from checkout.temporal.client import CHECKOUT_STATUS, CUSTOMER_ID, ORDER_NUMBER, PAYMENT_STATUS

#: For an operator who opens the workflow in the UI: what is going on, and what may be done.
_SENTENCES = {
    CheckoutStatus.PROCESSING: "Under way. Retries are automatic. *Cancel* undoes everything; *Terminate* nothing.",
    CheckoutStatus.AWAITING_PAYMENT: (
        "The customer's turn: to pay in another way, or to do what the bank asks. The stock stays held until the "
        "payment window closes. *Cancel* undoes everything; *Terminate* nothing."
    ),
    CheckoutStatus.PAYMENT_STUCK: (
        "**The payment is stuck**: the provider has given no certain answer for too long. It is asked on, ever slower; "
        "the last activity shows its error. Support may retry, resolve or cancel it (`checkout support show "
        "CHECKOUT`). *Cancel* makes sure that nothing is or stays charged and gives the stock back. Never *Terminate*."
    ),
    CheckoutStatus.COMPENSATING: "Being undone. It goes on by itself until everything is given back.",
    CheckoutStatus.COMPENSATION_STUCK: (
        "**An undo keeps failing**: the pending activity shows its last error. It is tried on until it lands; repair "
        "what it names. Never *Terminate*: stock or money would stay taken."
    ),
    CheckoutStatus.CONFIRMED: "Paid and sold.",
    CheckoutStatus.REJECTED: "Refused before anything happened. Nothing is held, nothing is charged.",
    CheckoutStatus.CANCELLED: "Undone. Nothing is held, nothing is charged.",
}
#: The same, of a payment that is stuck for a reason which is none of the customer's.
_HELD = (
    "**The payment waits**: the provider takes none from our account or key at present (the reason below). Nothing is "
    "undone, and it goes on by itself within a minute of that being put right: see the workflow `provider-hold`. "
    "Support may cancel it. *Cancel* undoes everything; *Terminate* nothing."
)


class Progress:
    """Keeps the view of one checkout and publishes its changes."""

    def __init__(self, request: CheckoutRequest) -> None:
        resume = request.resume
        self.view = resume.view if resume else view_at_start(request)
        self.timeline = list(resume.timeline) if resume else []
        self.status_before = resume.status_before if resume else self.view.status
        #: The ids of the provider's events that have come, in their order.
        self.seen_events = dict.fromkeys(resume.seen_events if resume else ())
        if resume:
            self._tell()

    @property
    def status(self) -> CheckoutStatus:
        """Where the checkout stands."""
        return self.view.status

    def note(self, kind: str, what: str, actor: str = "workflow", reason: str | None = None) -> None:
        """Something happened that the timeline tells."""
        self.timeline.append(TimelineEntry(_now(), kind, what, actor, reason))

    def note_event(self, event: PaymentEvent) -> bool:
        """The provider says that something happened. Returns False for an event that has come before."""
        if event.event_id in self.seen_events:
            return False
        self.seen_events[event.event_id] = None
        self.note("event", event.type, actor="provider", reason=event.event_id)
        return True

    def reserved(self) -> None:
        """The stock is held."""
        self.note("step", "stock reserved")

    def ordered(self, order: OrderResult) -> None:
        """The order is written: number, total, names and prices are known."""
        self.note("step", f"order {order.order_number} created")
        self._show(
            order_number=order.order_number,
            total_minor=order.total_minor,
            lines=tuple(LineView(line.sku, line.quantity, line.name, line.unit_price_minor) for line in order.lines),
        )

    def paying(self, charge: ChargePayment) -> None:
        """A try to pay is on its way."""
        self.note("attempt", f"try {charge.attempt} with {charge.payment_method} started")
        self._goes_on(PaymentView(PaymentStatus.PROCESSING, charge.attempt))

    def paid(self, answer: PaymentOutcome, attempt: int) -> None:
        """A try to pay has come to this."""
        self.note("attempt", f"try {attempt}: {answer.status}", reason=answer.decline_code)
        declined = answer.status == PaymentStatus.DECLINED
        url = answer.next_action_url
        payment = PaymentView(
            answer.status,
            attempt,
            decline_code=answer.decline_code,
            retryable=answer.retryable if declined else None,
            next_action={"type": "redirect_to_url", "url": url} if url else None,
        )
        self._goes_on(payment)

    def last_answer(self) -> PaymentOutcome:
        """What the last try to pay has come to, as the view shows it."""
        payment = self.view.payment
        url = payment.next_action["url"] if payment.next_action else None
        held = self.view.reason if self.view.reason and self.view.reason.is_hold else None
        return PaymentOutcome(payment.status, None, payment.decline_code, bool(payment.retryable), url, held=held)

    def refused(self, answer: Any) -> None:
        """A step said no; that of a payment tells where the money is now."""
        if isinstance(answer, PaymentOutcome):
            self.paid(answer, self.view.payment.attempts)

    def undone(self, answer: Any) -> None:
        """An undo has landed; that of a payment tells where the money is now, and the last one how it all ended."""
        if isinstance(answer, RecordedEnding):
            self.becomes(answer.status, answer.reason)
        if isinstance(answer, PaymentOutcome):
            if answer.status != PaymentStatus.NONE:  # It is when the try was undone before anything of it was written.
                self.note("step", f"payment {answer.status}")
            self._show(payment=replace(self.view.payment, status=answer.status, next_action=None))

    def ends(self, reason: Reason) -> None:
        """Everything is undone: it ended for this reason, unless the last undo has told of another."""
        if not self.status.is_final:
            self.becomes(reason.ending, reason)

    async def enters(self, status: CheckoutStatus, saga: Saga, reason: Reason | None = None) -> None:
        """The checkout comes to a state in which it waits; its row and the audit log learn of it too."""
        kept = self.view.reason if status == CheckoutStatus.COMPENSATION_STUCK else reason
        self.becomes(status, kept)
        await saga.ask(AuditActivities.record_status, StatusChange(self.view.id, status, reason))

    def becomes(self, status: CheckoutStatus, reason: Reason | None = None) -> None:
        """The checkout enters another state, for this reason if it is not a happy one."""
        if status != self.status:
            self.status_before = self.status
            self.note("step", f"{status}", reason=reason)
        payment = self.view.payment
        if status == CheckoutStatus.COMPENSATING and payment.status == PaymentStatus.CAPTURED:
            payment = replace(payment, status=PaymentStatus.REFUNDING)
        self._show(status=status, reason=reason, payment=payment)
        self._publish()

    def ended_before(self, recorded: RecordedEnding) -> None:
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
        return self._publish()

    def _show(self, **changes: Any) -> None:
        self.view = replace(self.view, updated_at=_now(), **changes)

    def _tell(self) -> None:
        workflow.set_current_details(details(self.view))

    def _publish(self) -> None:
        view = self.view
        attributes = [
            CHECKOUT_STATUS.value_set(view.status),
            PAYMENT_STATUS.value_set(view.payment.status),
            CUSTOMER_ID.value_set(view.customer_id),
        ]
        if view.order_number:
            attributes.append(ORDER_NUMBER.value_set(view.order_number))
        workflow.upsert_search_attributes(attributes)
        self._tell()


def details(view: CheckoutView) -> str:
    """The current details of the Temporal UI, in Markdown."""
    facts = [f"Status: **{view.status}**" + (f" ({view.reason})" if view.reason else "")]
    if view.order_number and view.total_minor is not None:
        facts.append(f"Order: **{view.order_number}**, {Money(view.total_minor, view.currency)}")
    payment = view.payment
    declined = f", {payment.decline_code}" if payment.decline_code else ""
    facts.append(f"Payment: **{payment.status}**{declined}, tries: {payment.attempts}")
    sentence = _HELD if view.status == CheckoutStatus.PAYMENT_STUCK and view.reason else _SENTENCES[view.status]
    return f"{sentence}\n\n" + "\n".join(f"* {fact}" for fact in facts)


def _now() -> str:
    return workflow.now().isoformat(timespec="milliseconds")
