"""The current details of a checkout in the Temporal UI: for an operator, what is going on and what may be done."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from checkout.domain.money import Money
    from checkout.domain.states import CheckoutStatus
    from checkout.domain.view import CheckoutView

_SENTENCES = {
    CheckoutStatus.PROCESSING: (
        "In progress. Failed steps are retried by themselves. *Cancel* undoes everything. Do not *Terminate*: it "
        "undoes nothing."
    ),
    CheckoutStatus.AWAITING_PAYMENT: (
        "Waiting for the customer: to pay in another way, or to approve the payment at their bank. The stock stays "
        "reserved until the payment window closes. *Cancel* undoes everything. Do not *Terminate*: it undoes nothing."
    ),
    CheckoutStatus.PAYMENT_STUCK: (
        "**The payment is stuck**: the payment provider does not say whether the money was taken. It is asked again "
        "and again, at growing intervals; the last activity shows its error. Support can retry, resolve or cancel "
        "(`checkout support show CHECKOUT`). *Cancel* makes sure that no money is taken or kept, and gives the stock "
        "back. Never *Terminate*."
    ),
    CheckoutStatus.COMPENSATING: (
        "Everything is being undone. Failed undos are retried by themselves until each has succeeded. "
        "Do not *Terminate*."
    ),
    CheckoutStatus.COMPENSATION_STUCK: (
        "**An undo keeps failing**: the pending activity shows its last error. Repair what the error names; the undo "
        "is retried until it succeeds. Never *Terminate*: stock or money would stay taken."
    ),
    CheckoutStatus.CONFIRMED: "Paid, and the order is confirmed.",
    CheckoutStatus.REJECTED: "Rejected before any payment was tried. No stock is reserved, no money was taken.",
    CheckoutStatus.CANCELLED: "Everything is undone. No stock is reserved, no money is kept.",
}
#: Instead, for a payment that is stuck because the provider takes none from the shop's account.
_HELD = (
    "**The payment waits**: the payment provider takes no payment from the shop's account or key at present (for "
    "the reason below). Nothing is undone. It continues within a minute of the repair: see the "
    "workflow `provider-hold`. Support can cancel the checkout. *Cancel* undoes everything. Do not *Terminate*: it "
    "undoes nothing."
)


def current_details(view: CheckoutView) -> str:
    """The text for this view, in Markdown."""
    facts = [f"Status: **{view.status}**" + (f" ({view.reason})" if view.reason else "")]
    if view.order_number and view.total_minor is not None:
        facts.append(f"Order: **{view.order_number}**, {Money(view.total_minor, view.currency)}")
    payment = view.payment
    declined = f", {payment.decline_code}" if payment.decline_code else ""
    facts.append(f"Payment: **{payment.status}**{declined}, attempts: {payment.attempts}")
    sentence = _HELD if view.status == CheckoutStatus.PAYMENT_STUCK and view.reason else _SENTENCES[view.status]
    return f"{sentence}\n\n" + "\n".join(f"* {fact}" for fact in facts)
