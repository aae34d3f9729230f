"""Taking the money, and giving it back. No transaction is open while the provider is asked."""

from typing import Any

from sqlalchemy import Row
from temporalio import activity

from activities.attempts import OPEN, Attempts, answer_from_charge, attempt_of
from activities.heartbeat import beating
from activities.undoing import start_undo
from checkout.db import payments
from checkout.db.session import Database
from checkout.domain.errors import AmountRefused, OutcomeUnknown, PaymentMethodRefused, ProviderUnavailable, TooLate
from checkout.domain.requests import ChargePayment, PaymentAnswer, Undo
from checkout.domain.states import PaymentStatus, RefundStatus
from checkout.payments.gateway import Attempt, Charge, PaymentGateway

#: Our own decline codes, for what the provider will not even try; the others are the provider's.
_DECLINE_CODES: dict[type[Exception], str] = {
    PaymentMethodRefused: "invalid_payment_method",
    AmountRefused: "amount_not_chargeable",
}


class PaymentActivities:
    """`charge_payment` and its undo `refund_payment`."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway
        self._attempts = Attempts(database, gateway)

    @activity.defn
    async def charge_payment(self, request: ChargePayment) -> PaymentAnswer:
        """Take the money once, and answer when it is certain what became of it, or that it will take its time.

        The attempt is committed, the provider asked, the answer committed. A retry finds the attempt and asks again
        with the same key; what the provider may have done in between is found out, never assumed.

        Raises:
            TooLate: the checkout is being undone; nothing was sent.
            OutcomeUnknown: it is not known yet; the next retry asks again.
            ProviderUnavailable: nothing was done; the next retry asks again.
        """
        return await beating(self._charge(request))

    async def _charge(self, request: ChargePayment) -> PaymentAnswer:
        row = await self._start(request)
        if row.status not in OPEN:
            return await self._attempts.answered(row)
        attempt = attempt_of(row)
        try:
            charge = await self._charge_or_look(attempt)
        except (PaymentMethodRefused, AmountRefused) as refusal:
            code = _DECLINE_CODES[type(refusal)]
            await self._attempts.record_decline(attempt, code)
            return PaymentAnswer(PaymentStatus.DECLINED, decline_code=code)
        await self._attempts.record(attempt, charge)
        return answer_from_charge(attempt, charge)

    async def _start(self, request: ChargePayment) -> Row[Any]:
        started = await self._database.one(
            payments.START_ATTEMPT,
            {
                "checkout_id": request.checkout_id,
                "attempt": request.attempt,
                "idempotency_key": f"{request.checkout_id}-{request.attempt}",
                "payment_method": request.payment_method,
                "amount_minor": request.amount_minor,
                "currency": request.currency,
            },
        )
        if started:
            return started
        found = await self._attempts.read(request.checkout_id, request.attempt)
        if found.status in OPEN and not found.is_open:
            raise TooLate(f"checkout {request.checkout_id} is not open")
        return found

    async def _charge_or_look(self, attempt: Attempt) -> Charge:
        try:
            charge = await self._gateway.charge(attempt)
            if charge.status == PaymentStatus.PROCESSING:
                raise OutcomeUnknown(f"the provider has not tried {charge.provider_reference} yet")  # noqa: TRY301
            return charge  # noqa: TRY300
        except OutcomeUnknown as unknown:
            if found := await self._attempts.look(attempt):
                return found
            await self._attempts.record_unknown(attempt, unknown)
            raise

    @activity.defn
    async def refund_payment(self, undo: Undo) -> PaymentAnswer:
        """Make sure that no money of the checkout is taken or kept: void what was not captured, refund what was.

        Answers where the last attempt ended. A `charge_payment` that comes later sends nothing.

        Raises:
            OutcomeUnknown, ProviderUnavailable: not certain yet; the next retry asks again.
            InvariantBroken: the checkout is confirmed, and its money stays taken.
        """
        return await beating(self._give_back(undo))

    async def _give_back(self, undo: Undo) -> PaymentAnswer:
        async with self._database.transaction() as connection:
            parameters = await start_undo(connection, undo)
        last = PaymentAnswer(PaymentStatus.NONE)
        for row in await self._database.all(payments.ATTEMPTS, parameters):
            last = await self._take_back(attempt_of(row), row, undo)
        return last

    async def _take_back(self, attempt: Attempt, row: Row[Any], undo: Undo) -> PaymentAnswer:
        status = PaymentStatus(row.status)
        if status in OPEN:
            status = await self._void(attempt, undo)
        if status in (PaymentStatus.CAPTURED, PaymentStatus.REFUNDING):
            await self._refund(attempt, undo)
            status = PaymentStatus.REFUNDED
        return PaymentAnswer(status, decline_code=row.decline_code)

    async def _void(self, attempt: Attempt, undo: Undo) -> PaymentStatus:
        charge = await self._gateway.void(attempt)
        if charge is None:
            await self._attempts.record_void(attempt, undo.actor, undo.reason)
            return PaymentStatus.VOIDED
        if charge.status in OPEN:
            raise OutcomeUnknown(f"the provider cannot stop the payment yet: it is {charge.status}")
        await self._attempts.record(attempt, charge, undo.actor, undo.reason)
        return charge.status

    async def _refund(self, attempt: Attempt, undo: Undo) -> None:
        parameters = {"checkout_id": undo.checkout_id, "attempt": attempt.number}
        more = {"idempotency_key": f"{attempt.idempotency_key}-refund", "reason": undo.reason, "actor": undo.actor}
        await self._database.run(payments.START_REFUND, parameters | more)
        row = await self._attempts.read(undo.checkout_id, attempt.number)
        refund = await self._gateway.refund(attempt, row.provider_reference, row.captured_minor)
        told = {"status": refund.status, "provider_reference": refund.provider_reference}
        await self._database.run(payments.RECORD_REFUND, parameters | told)
        if refund.status != RefundStatus.SUCCEEDED:
            raise ProviderUnavailable(f"the refund {refund.provider_reference} is {refund.status}")
