"""Every test payment method by its name: cards, those that are refused, and those whose refunds are odd.

The words of the refusals are Stripe's own, as shops report them; few of them name a parameter, and none is a decline.
"""

from checkout_lab.sandbox.objects.cards import CARDS, Card, MethodRefusal, RefundBehaviour

_USED_UP = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a "
    "connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use "
    "a PaymentMethod multiple times, you must attach it to a Customer first."
)
_A_CUSTOMERS = (
    "The `payment_method` parameter supplied pm_sandbox_belongs_to_customer belongs to the Customer cus_sandbox. "
    "Please include the Customer in the `customer` parameter on the PaymentIntent."
)
_LINK = (
    "The PaymentMethod provided (link) is not allowed for this PaymentIntent. Please attach a PaymentMethod of one of "
    "the following types: card."
)
_INDIA = (
    "As per Indian regulations, export transactions require a customer name and address. More info here: "
    "https://stripe.com/docs/india-exports"
)

# https://docs.stripe.com/payments/payment-methods#attaching-payment-methods-to-customers, /india-exports
REFUSED = {
    "pm_sandbox_used_up": Card(refusal=MethodRefusal(_USED_UP, names_intent=False)),
    "pm_sandbox_belongs_to_customer": Card(refusal=MethodRefusal(_A_CUSTOMERS, "parameter_missing", "source")),
    "pm_sandbox_link": Card(refusal=MethodRefusal(_LINK, "payment_intent_invalid_parameter")),
    "pm_sandbox_needs_address": Card(refusal=MethodRefusal(_INDIA)),
    "pm_sandbox_saved_error": Card(fails_once_saved=True),
}
# https://docs.stripe.com/refunds#failed-refunds
PAID_BACK_ODDLY = {
    "pm_sandbox_refund_pending": Card(refunds=RefundBehaviour.PEND),
    "pm_sandbox_refund_fails": Card(refunds=RefundBehaviour.FAIL_FIRST),
    "pm_sandbox_refund_refused": Card(refunds=RefundBehaviour.REFUSED),
}
METHODS = CARDS | REFUSED | PAID_BACK_ODDLY
