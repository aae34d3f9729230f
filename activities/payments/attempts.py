"""The attempt rows, between the tables and the provider: read as `Attempt`, written as `Charge`, told as a result."""

import contextlib
from dataclasses import replace
from typing import Any

from sqlalchemy import Row

from checkout.db import payments
from checkout.db.session import Database
from checkout.domain.errors import ProviderError, TooLate
from checkout.domain.messages import PaymentOutcome
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
        """The row of an attempt, with ``is_open`` (whether its checkout may still be bought) and ``held`` (why no
        payment can be taken at present).

        Raises:
            TooLate: there is no such attempt, because its checkout was undone before.
        """
        row = await self._database.one(payments.ATTEMPT, {"checkout_id": checkout_id, "attempt": number})
        if row is None:
            raise TooLate(f"checkout {checkout_id} is not open")
        return row

    async def look(self, attempt: Attempt) -> Charge | None:
        """Where the provider says the attempt stands; None when it cannot tell (yet), or tells of an earlier one."""
        charge = await self._gateway.find(attempt)
        return charge if charge and tells(charge, attempt) else None

    async def new_key(self, attempt: Attempt, why: ProviderError, reference: str | None) -> Attempt:
        """Record another key for an attempt whose present one can only repeat an error, and the intent to go on with.

        Only once the provider is seen to repeat that error is a key replaced: its request has come to its end by then,
        so whatever it has made can be seen.

        Raises:
            TooLate: the checkout is being undone, and nothing more is to be sent.
        """
        number = _key_number(attempt) + 1
        noted = await self._database.one(
            payments.NEW_CHARGE_KEY,
            {
                "checkout_id": attempt.checkout_id,
                "attempt": str(attempt.number),
                "number": number,
                "idempotency_key": f"{first_key(attempt.checkout_id, attempt.number)}-{number}",
                "provider_reference": reference,
                "why": str(why),
            },
        )
        if noted is None:
            row = await self.read(attempt.checkout_id, attempt.number)
            if not row.is_open or row.status not in OPEN or row.present_key == attempt.idempotency_key:
                raise TooLate(f"try {attempt.number} of checkout {attempt.checkout_id} is over")
            return attempt_of(row)  # Another run of this step was faster.
        renewed = attempt.with_key(noted.idempotency_key, int(noted.created_at.timestamp()))
        return renewed if reference == attempt.provider_reference else renewed.with_reference(reference).on_its_own()

    async def answered(self, row: Row[Any]) -> PaymentOutcome:
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

    async def record_unknown(self, attempt: Attempt, why: ProviderError) -> None:
        """Commit that nobody knows, or that the payment waits."""
        await self._write(attempt, status=PaymentStatus.UNKNOWN, actor="workflow", reason=str(why))

    async def record_decline(self, attempt: Attempt, decline_code: str, reference: str | None) -> None:
        """Commit that the provider would not even try; ``reference`` is the intent that it made before, if it did."""
        await self._write(
            attempt,
            status=PaymentStatus.DECLINED,
            provider_reference=reference,
            decline_code=decline_code,
            actor="workflow",
            reason=None,
        )

    async def record_capture(self, attempt: Attempt, charge: Charge, actor: str, reason: str) -> None:
        """Commit that the provider took the money, whatever had been written of the attempt before."""
        await self._database.run(
            payments.RECORD_CAPTURE,
            {
                "checkout_id": attempt.checkout_id,
                "attempt": attempt.number,
                "provider_reference": charge.provider_reference,
                "provider_charge": charge.latest_charge,
                "captured_minor": charge.captured_minor,
                "captured_currency": charge.currency,
                "actor": actor,
                "reason": reason,
            },
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


def tells(charge: Charge, attempt: Attempt) -> bool:
    """Whether what the provider shows says what became of this very attempt."""
    return charge.status != PaymentStatus.PROCESSING and attempt.is_told_by(charge)


def first_key(checkout_id: str, number: int) -> str:
    """The key under which an attempt is asked for first: made of ids alone."""
    return f"{checkout_id}-{number}"


def _key_number(attempt: Attempt) -> int:
    """Which of the attempt's keys its present one is, counted from 1."""
    more = attempt.idempotency_key.removeprefix(first_key(attempt.checkout_id, attempt.number)).removeprefix("-")
    return int(more) if more else 1


def attempt_of(row: Row[Any]) -> Attempt:
    """The attempt that a row stands for."""
    return Attempt(
        checkout_id=row.checkout_id,
        number=row.attempt,
        idempotency_key=row.present_key,
        payment_method=row.payment_method,
        amount_minor=row.amount_minor,
        currency=row.currency,
        started_at=int(row.created_at.timestamp()),
        provider_reference=row.provider_reference,
        # The release before this one wrote no mark, and the same request has to be sent again as it was.
        deployment=row.deployment or "",
        key_started_at=int(row.key_started_at.timestamp()),
        has_earlier_keys=row.present_key != row.idempotency_key,
        shares_intent=row.shares_intent,
        earlier_charges=tuple(row.earlier_charges),
        # Once the provider has told of this try, what it says of the intent is of this try.
        is_answered=row.status not in _UNANSWERED,
    )


def answer_from_charge(attempt: Attempt, charge: Charge) -> PaymentOutcome:
    """What the workflow is told of a charge; a capture of anything but what was asked is refused."""
    fits = (charge.captured_minor, charge.currency) == (attempt.amount_minor, attempt.currency)
    wrong = charge.status == PaymentStatus.CAPTURED and not fits
    return PaymentOutcome(
        charge.status,
        refusal=Reason.AMOUNT_MISMATCH if wrong else None,
        decline_code=charge.decline_code,
        retryable=charge.retryable,
        next_action_url=charge.next_action_url,
    )


def answer_from_row(row: Row[Any]) -> PaymentOutcome:
    """The same, of an attempt whose answer was committed before."""
    fits = (row.captured_minor, row.captured_currency) == (row.amount_minor, row.currency)
    wrong = row.status == PaymentStatus.CAPTURED and not fits
    refusal = Reason.AMOUNT_MISMATCH if wrong else None
    return PaymentOutcome(PaymentStatus(row.status), refusal, row.decline_code)
