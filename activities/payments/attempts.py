"""An attempt where its row and the provider meet: read, looked at, and given another key."""

import contextlib
from dataclasses import replace

from checkout.db import attempts
from checkout.db.session import Database
from checkout.domain.errors import ProviderError, TooLate
from checkout.domain.messages import PaymentOutcome
from checkout.domain.payments import Attempt, AttemptRecord, Charge
from checkout.domain.states import PaymentStatus
from checkout.payments.gateway import PaymentGateway


class Attempts:
    """Reads the attempts of a checkout, and asks the provider where one stands."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway

    async def read(self, checkout_id: str, number: int) -> AttemptRecord:
        """The attempt as the tables have it.

        Raises:
            TooLate: there is no such attempt, because its checkout was undone before.
        """
        record = await attempts.read(self._database, checkout_id, number)
        if record is None:
            raise TooLate(f"checkout {checkout_id} is not open")
        return record

    async def look(self, attempt: Attempt) -> Charge | None:
        """Where the provider says the attempt stands; None when it cannot tell (yet), or tells of an earlier one."""
        charge = await self._gateway.find(attempt)
        return charge if charge and attempt.has_result_in(charge) else None

    async def new_key(self, attempt: Attempt, why: ProviderError, reference: str | None) -> Attempt:
        """Record another key for an attempt whose present one can only repeat an error, and the intent to go on with.

        Only once the provider is seen to repeat that error is a key replaced: its request has come to its end by then,
        so whatever it has made can be seen.

        Raises:
            TooLate: the checkout is being undone, and nothing more is to be sent.
        """
        if renewed := await attempts.replace_key(self._database, attempt, reference, str(why)):
            return renewed
        record = await self.read(attempt.checkout_id, attempt.number)
        is_renewed = record.attempt.idempotency_key != attempt.idempotency_key
        if not record.checkout_is_open or not record.is_open or not is_renewed:
            raise TooLate(f"attempt {attempt.number} of checkout {attempt.checkout_id} is over")
        return record.attempt  # Another run of this step was faster.

    async def committed_outcome(self, record: AttemptRecord) -> PaymentOutcome:
        """What the workflow learns of an attempt whose outcome was committed before."""
        if record.status is PaymentStatus.DECLINED and record.attempt.provider_reference:
            # Only the provider knows whether the same method may work later. The decline is certain without it.
            with contextlib.suppress(ProviderError):
                charge = await self._gateway.find(record.attempt)
                if charge and charge.status is PaymentStatus.DECLINED:
                    return replace(record.outcome, retryable=charge.retryable)
        return record.outcome

    async def record(
        self, attempt: Attempt, charge: Charge, actor: str = "workflow", reason: str | None = None
    ) -> PaymentOutcome:
        """Commit what the provider says of an attempt that is open; returns what the workflow learns of it."""
        await attempts.record_charge(self._database, attempt, charge, actor, reason)
        return attempt.outcome_of(charge)
