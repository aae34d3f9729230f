"""What a charge of EUR 25.80 may come to at the provider, and how an update is refused."""

from collections.abc import Awaitable
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus

CAPTURED = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR", latest_charge="ch_9")
DECLINED = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "insufficient_funds", retryable=True, latest_charge="ch_1")
PENDING = Charge(PaymentStatus.PENDING, "pi_1", 0, "EUR")
ACTION = Charge(PaymentStatus.REQUIRES_ACTION, "pi_1", 0, "EUR", next_action_url="https://bank.example/3ds")
VOIDED = Charge(PaymentStatus.VOIDED, "pi_1", 0, "EUR")


async def refusal(update: Awaitable[Any]) -> str | None:
    """The type of the error with which an update was refused."""
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause.type
