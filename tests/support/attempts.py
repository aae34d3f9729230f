"""Attempts to pay that nobody has seen before, and waiting for what another process does."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from checkout.domain.payments import Attempt, RefundCall

T = TypeVar("T")


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


async def until(ask: Callable[[], Awaitable[T]], is_so: Callable[[T], object]) -> T:
    """Ask again until the answer is the awaited one."""
    async with asyncio.timeout(20):
        while not is_so(found := await ask()):
            await asyncio.sleep(0.05)
    return found
