"""What a test payment method is, and those that pay, decline or fail on the way.

Those of Stripe's keep their names and their behaviour (https://docs.stripe.com/testing); ``pm_sandbox_*`` are faults
that Stripe does not offer. A new one is a row here, or in `checkout_lab.sandbox.objects.methods`.
"""

from dataclasses import dataclass
from enum import Enum, auto

from checkout_lab.sandbox.http.call import Delivery


class RefundBehaviour(Enum):
    """What becomes of the refunds of what was paid."""

    SUCCEED = auto()
    PEND = auto()  # pending, and succeeded seconds later
    FAIL_FIRST = auto()  # the first one succeeds, and is reported as failed seconds later
    REFUSED = auto()  # the balance is too low, until recovery


@dataclass(frozen=True)
class MethodRefusal:
    """Why a payment method cannot be used at all: an invalid_request_error of Stripe's, which is no decline.

    ``names_intent`` tells whether the error carries the intent, which is there in any case.
    """

    message: str
    code: str | None = None
    param: str | None = None
    names_intent: bool = True


@dataclass(frozen=True)
class Card:
    """One test payment method.

    ``status`` is what a confirmed intent becomes; ``settles_after_seconds`` when a processing one succeeds, and
    ``stoppable`` whether it can be cancelled until then. ``failures`` counts the 500s that come before anything is
    executed, per idempotency key; ``fails_once_saved`` is one that is executed as nothing and saved, per checkout;
    ``until_recovery`` is 503 for as long as nobody asks the sandbox to recover.
    """

    status: str = "succeeded"
    decline_code: str | None = None
    message: str = ""
    settles_after_seconds: float = 0
    stoppable: bool = False
    extra_amount: int = 0
    failures: int = 0
    fails_once_saved: bool = False
    until_recovery: bool = False
    refusal: MethodRefusal | None = None
    refunds: RefundBehaviour = RefundBehaviour.SUCCEED
    delivery: Delivery = Delivery.RESPOND


CARDS = {
    "pm_card_visa": Card(),
    "pm_card_visa_chargeDeclined": Card(
        status="requires_payment_method", decline_code="generic_decline", message="Your card was declined."
    ),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card(
        status="requires_payment_method", decline_code="insufficient_funds", message="Your card has insufficient funds."
    ),
    "pm_card_authenticationRequired": Card(status="requires_action"),
    "pm_sandbox_processing": Card(status="processing", settles_after_seconds=2),
    "pm_sandbox_lost_response": Card(delivery=Delivery.DROP),
    "pm_sandbox_error_after_charge": Card(delivery=Delivery.FAIL),
    "pm_sandbox_flaky": Card(failures=2),
    "pm_sandbox_unavailable": Card(until_recovery=True),
    "pm_sandbox_late_capture": Card(
        status="processing", settles_after_seconds=3, stoppable=True, delivery=Delivery.HANG
    ),
    # A multiple of 100, so that it stays a valid amount in every currency.
    "pm_sandbox_wrong_amount": Card(extra_amount=100),
}
