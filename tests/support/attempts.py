"""Attempts to pay that nobody has seen before, and refunds of them."""

import time
import uuid
from dataclasses import replace
from typing import Any

from checkout.domain.payments import Attempt, RefundCall


def attempt(payment_method: str = "pm_card_visa", **changes: Any) -> Attempt:
    """A first attempt of a new checkout."""
    checkout_id = f"chk_{uuid.uuid4().hex}"
    first = Attempt(checkout_id, 1, f"{checkout_id}-1", payment_method, 2580, "EUR", int(time.time()))
    return replace(first, **changes)


def refund_of(attempt: Attempt, provider_reference: str, amount_minor: int, key: str = "refund") -> RefundCall:
    """A refund of so much of an attempt's intent."""
    return RefundCall(
        attempt.checkout_id, provider_reference, amount_minor, attempt.currency, f"{attempt.idempotency_key}-{key}"
    )
