"""The attempt rows, between the tables and the provider: read as `Attempt`, written as `Charge`, told as an answer."""

import contextlib
from dataclasses import replace
from typing import Any

from sqlalchemy import Row

from checkout.db import payments
from checkout.db.session import Database
from checkout.domain.errors import OutcomeUnknown, ProviderError, TooLate
from checkout.domain.requests import PaymentAnswer
from checkout.domain.states import PaymentStatus, Reason
from checkout.payments.gateway import Attempt, Charge, PaymentGateway

#: What the provider, the bank or the customer may still change.
OPEN = frozenset(
    {PaymentStatus.PROCESSING, PaymentStatus.UNKNOWN, PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION}
)
_UNANSWERED = frozenset({PaymentStatus.PROCESSING, PaymentStatus.UNKNOWN})


class Attempts:
    """Reads and writes the attempts of a checkout, and asks the provider where one stands."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway

    async def read(self, checkout_id: str, number: int) -> Row[Any]:
        """The row of an attempt, with ``previous_charge`` and ``is_open`` (whether its checkout may still be bought).

        Raises:
            TooLate: there is no such attempt, because its checkout was undone before.
        """
        row = await self._database.one(payments.ATTEMPT, {"checkout_id": checkout_id, "attempt": number})
        if row is None:
            raise TooLate(f"checkout {checkout_id} is not open")
        return row

    async def look(self, attempt: Attempt) -> Charge | None:
        """Where the provider says the attempt stands; None when it cannot tell (yet)."""
        charge = await self._gateway.find(attempt)
        if charge is None or charge.status == PaymentStatus.PROCESSING:
            return None
        declined = charge.status == PaymentStatus.DECLINED
        if declined and attempt.previous_charge is not None and (charge.latest_charge or "") == attempt.previous_charge:
            return None  # The intent still shows how the try before this one ended.
        return charge

    async def answered(self, row: Row[Any]) -> PaymentAnswer:
        """What the workflow is told of an attempt whose answer was committed before."""
        answer = answer_from_row(row)
        if row.status == PaymentStatus.DECLINED and row.provider_reference:
            # Only the provider knows whether the same method may work later. The decline is certain without it.
            with contextlib.suppress(ProviderError):
                charge = await self._gateway.find(attempt_of(row))
                if charge and charge.status == PaymentStatus.DECLINED:
                    return replace(answer, retryable=charge.retryable)
        return answer

    async def record(
        self, attempt: Attempt, charge: Charge, actor: str = "workflow", reason: str | None = None
    ) -> None:
        """Commit what the provider says; an attempt that has its final answer keeps it."""
        captured = charge.status == PaymentStatus.CAPTURED
        await self._write(
            attempt,
            status=charge.status,
            provider_reference=charge.provider_reference,
            provider_charge=charge.latest_charge,
            decline_code=charge.decline_code,
            captured_minor=charge.captured_minor if captured else None,
            captured_currency=charge.currency if captured else None,
            actor=actor,
            reason=reason,
        )

    async def record_unknown(self, attempt: Attempt, why: OutcomeUnknown) -> None:
        """Commit that nobody knows."""
        await self._write(attempt, status=PaymentStatus.UNKNOWN, actor="workflow", reason=str(why))

    async def record_decline(self, attempt: Attempt, decline_code: str) -> None:
        """Commit that the provider would not even try."""
        await self._write(
            attempt, status=PaymentStatus.DECLINED, decline_code=decline_code, actor="workflow", reason=None
        )

    async def record_void(self, attempt: Attempt, actor: str, reason: str | None) -> None:
        """Commit that nothing was taken and nothing can be any more."""
        await self._write(attempt, status=PaymentStatus.VOIDED, actor=actor, reason=reason)

    async def _write(self, attempt: Attempt, **values: Any) -> None:
        nothing = dict.fromkeys(
            ("provider_reference", "provider_charge", "decline_code", "captured_minor", "captured_currency")
        )
        mine = {"checkout_id": attempt.checkout_id, "attempt": attempt.number}
        await self._database.run(payments.RECORD_ANSWER, nothing | mine | values)


def attempt_of(row: Row[Any]) -> Attempt:
    """The attempt that a row stands for."""
    return Attempt(
        checkout_id=row.checkout_id,
        number=row.attempt,
        idempotency_key=row.idempotency_key,
        payment_method=row.payment_method,
        amount_minor=row.amount_minor,
        currency=row.currency,
        started_at=int(row.created_at.timestamp()),
        provider_reference=row.provider_reference,
        # Once the provider has answered this try, what it says of the intent is of this try.
        previous_charge=row.previous_charge if row.status in _UNANSWERED else None,
    )


def answer_from_charge(attempt: Attempt, charge: Charge) -> PaymentAnswer:
    """What the workflow is told of a charge; a capture of anything but what was asked is refused."""
    fits = (charge.captured_minor, charge.currency) == (attempt.amount_minor, attempt.currency)
    wrong = charge.status == PaymentStatus.CAPTURED and not fits
    return PaymentAnswer(
        charge.status,
        refusal=Reason.AMOUNT_MISMATCH if wrong else None,
        decline_code=charge.decline_code,
        retryable=charge.retryable,
        next_action_url=charge.next_action_url,
    )


def answer_from_row(row: Row[Any]) -> PaymentAnswer:
    """The same, of an attempt whose answer was committed before."""
    fits = (row.captured_minor, row.captured_currency) == (row.amount_minor, row.currency)
    wrong = row.status == PaymentStatus.CAPTURED and not fits
    refusal = Reason.AMOUNT_MISMATCH if wrong else None
    return PaymentAnswer(PaymentStatus(row.status), refusal, row.decline_code)
