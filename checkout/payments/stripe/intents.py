"""How our PaymentIntents are written, and told from others in the same account.

Each carries the checkout, the attempt and the mark of the deployment in its metadata
(https://docs.stripe.com/metadata), since an account may have payments of other programs as well.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import stripe

from checkout.domain.errors import OutcomeUnknown
from checkout.domain.payments import Attempt
from checkout.payments.stripe.amounts import to_stripe
from checkout.payments.stripe.errors import named_intent
from checkout.payments.stripe.objects import Object, metadata

#: The purpose of an intent that only uses a key up.
FENCE: Final = "fence"


def path_of(reference: str) -> str:
    """Where an intent is."""
    return f"/v1/payment_intents/{quote(reference, safe='')}"


def metadata_of(checkout_id: str, deployment: str, **more: str) -> dict[str, str]:
    """What we write on an object of a checkout."""
    mark = {"deployment": deployment} if deployment else {}
    return {"checkout_id": checkout_id, **mark, **more}


def creation(attempt: Attempt, **more: str) -> dict[str, Any]:
    """The parameters of an attempt's new intent.

    Raises:
        AmountRefused: Stripe has no such amount in this currency.
    """
    return {
        "amount": to_stripe(attempt.amount_minor, attempt.currency),
        "currency": attempt.currency.lower(),
        "payment_method_types": ["card"],
        "metadata": metadata_of(attempt.checkout_id, attempt.deployment, attempt=str(attempt.number), **more),
        "description": f"Checkout {attempt.checkout_id}",
    }


def is_payment(intent: Object) -> bool:
    """Whether an intent names a checkout or a deployment, and is not a mere fence."""
    found = metadata(intent)
    return bool(found.get("checkout_id") or found.get("deployment")) and found.get("purpose") != FENCE


def is_of(attempt: Attempt) -> Callable[[Object], bool]:
    """Whether an intent was made for this very attempt; those of others say nothing of it."""
    wanted = metadata_of(attempt.checkout_id, attempt.deployment, attempt=str(attempt.number))

    def is_ours(one: Object) -> bool:
        return is_payment(one) and {name: metadata(one).get(name) for name in wanted} == wanted

    return is_ours


def intent_of(error: stripe.CardError) -> Object:
    """The intent that a decline carries.

    Raises:
        OutcomeUnknown: it carries none.
    """
    intent = named_intent(error)
    if intent is None:
        raise OutcomeUnknown("the provider declines, but does not say which intent")
    return intent
