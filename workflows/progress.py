"""What the outside sees of a checkout under way: the view, the search attributes and the text in the Temporal UI."""

from dataclasses import replace
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from checkout.domain.money import Money
    from checkout.domain.requests import CheckoutRequest, OrderAnswer, PaymentAnswer, Recorded
    from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
    from checkout.domain.view import CheckoutView, LineView, view_at_start
    from checkout.temporal import CHECKOUT_STATUS, CUSTOMER_ID, ORDER_NUMBER, PAYMENT_STATUS

#: For an operator who opens the workflow in the UI: what is going on, and what may be done.
_SENTENCES = {
    CheckoutStatus.PROCESSING: "Under way. Retries are automatic. *Cancel* undoes everything; *Terminate* nothing.",
    CheckoutStatus.PAYMENT_STUCK: (
        "**The payment is stuck**: the provider has given no certain answer for too long. It is asked on, ever slower; "
        "the pending activity shows its last error. *Cancel* makes sure that nothing is or stays charged and gives the "
        "stock back. Never *Terminate*."
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


class Progress:
    """Keeps the view of one checkout and publishes its changes."""

    def __init__(self, request: CheckoutRequest) -> None:
        self.view = view_at_start(request)

    @property
    def status(self) -> CheckoutStatus:
        """Where the checkout stands."""
        return self.view.status

    def ordered(self, order: OrderAnswer) -> None:
        """The order is written: number, total, names and prices are known."""
        self._show(
            order_number=order.order_number,
            total_minor=order.total_minor,
            lines=tuple(LineView(line.sku, line.quantity, line.name, line.unit_price_minor) for line in order.lines),
        )

    def paying(self, attempt: int) -> None:
        """The customer's try number ``attempt`` is on its way."""
        self._show(payment=replace(self.view.payment, status=PaymentStatus.PROCESSING, attempts=attempt))

    def paid(self, answer: PaymentAnswer) -> None:
        """The payment has come to this."""
        self._show(
            status=CheckoutStatus.PROCESSING,
            payment=replace(self.view.payment, status=answer.status, decline_code=answer.decline_code),
        )

    def undone(self, answer: Any) -> None:
        """An undo has landed; that of a payment tells where the money is now."""
        if isinstance(answer, PaymentAnswer) and answer.status != PaymentStatus.NONE:
            self._show(payment=replace(self.view.payment, status=answer.status))

    def stuck(self) -> None:
        """The provider gives no certain answer."""
        self._show(
            status=CheckoutStatus.PAYMENT_STUCK, payment=replace(self.view.payment, status=PaymentStatus.UNKNOWN)
        )
        self._publish()

    def becomes(self, status: CheckoutStatus, reason: Reason | None = None) -> None:
        """The checkout enters another state, for this reason if it is not a happy one."""
        self._show(status=status, reason=reason)
        self._publish()

    def ended_before(self, recorded: Recorded) -> None:
        """Another run of this checkout ended long ago, and the tables still know how."""
        self.ordered(OrderAnswer(None, recorded.order_number, recorded.total_minor, recorded.lines))
        payment = replace(self.view.payment, status=recorded.payment_status, attempts=recorded.attempts)
        self._show(payment=replace(payment, decline_code=recorded.decline_code))
        self.becomes(recorded.status, recorded.reason)

    def _show(self, **changes: Any) -> None:
        self.view = replace(self.view, updated_at=_now(), **changes)

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
        workflow.set_current_details(details(view))


def details(view: CheckoutView) -> str:
    """The current details of the Temporal UI, in Markdown."""
    facts = [f"Status: **{view.status}**" + (f" ({view.reason})" if view.reason else "")]
    if view.order_number and view.total_minor is not None:
        facts.append(f"Order: **{view.order_number}**, {Money(view.total_minor, view.currency)}")
    payment = view.payment
    declined = f", {payment.decline_code}" if payment.decline_code else ""
    facts.append(f"Payment: **{payment.status}**{declined}, tries: {payment.attempts}")
    return f"{_SENTENCES[view.status]}\n\n" + "\n".join(f"* {fact}" for fact in facts)


def _now() -> str:
    return workflow.now().isoformat(timespec="milliseconds")
