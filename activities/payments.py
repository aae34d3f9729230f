"""Taking the money, and giving it back. No transaction is open while the provider is asked."""

from typing import Any

from sqlalchemy import Row
from temporalio import activity

from activities.heartbeat import beating
from checkout.db import checkouts, payments
from checkout.db.session import Database
from checkout.domain.errors import InvariantBroken, OutcomeUnknown, ProviderUnavailable, TooLate
from checkout.domain.requests import ChargePayment, PaymentAnswer, Undo
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason, RefundStatus
from checkout.payments.gateway import Attempt, Charge, PaymentGateway

_OPEN = frozenset(
    {PaymentStatus.PROCESSING, PaymentStatus.UNKNOWN, PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION}
)
#: What neither the provider nor the customer will change any more.
_SETTLED = frozenset(PaymentStatus) - _OPEN


class PaymentActivities:
    """`charge_payment` and its undo `refund_payment`."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway

    @activity.defn
    async def charge_payment(self, request: ChargePayment) -> PaymentAnswer:
        """Take the money once, and answer when it is certain what became of it.

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
        if row.status in _SETTLED:
            return _answer(request, row.status, row.captured_minor, row.captured_currency, row.decline_code)
        attempt = _attempt(request.checkout_id, row)
        charge = await self._ask(attempt, PaymentStatus(row.status))
        await self._record(attempt, charge, reason=None, actor="workflow")
        if charge.status == PaymentStatus.PENDING:
            raise OutcomeUnknown(f"the provider has not settled the payment {charge.provider_reference} yet")
        return _answer(request, charge.status, charge.captured_minor, charge.currency, charge.decline_code)

    async def _start(self, request: ChargePayment) -> Row[Any]:
        parameters = {"checkout_id": request.checkout_id, "attempt": request.attempt}
        started = await self._database.one(
            payments.START_ATTEMPT,
            {
                **parameters,
                "idempotency_key": f"{request.checkout_id}-{request.attempt}",
                "payment_method": request.payment_method,
                "amount_minor": request.amount_minor,
                "currency": request.currency,
            },
        )
        if started:
            return started
        found = await self._database.one(payments.ATTEMPT, parameters)
        if found is None or not (found.is_open or found.status in _SETTLED):
            raise TooLate(f"checkout {request.checkout_id} is not open")
        return found

    async def _ask(self, attempt: Attempt, status: PaymentStatus) -> Charge:
        """Charge, or look where a charge that was sent before has got to.

        The same key would only repeat the answer of that moment, so what was pending then has to be looked at.
        """
        if status == PaymentStatus.PENDING:
            return await self._found(attempt) or await self._gateway.charge(attempt)
        try:
            return await self._gateway.charge(attempt)
        except OutcomeUnknown as unknown:
            if found := await self._found(attempt):
                return found
            await self._mark_unknown(attempt, str(unknown))
            raise

    async def _found(self, attempt: Attempt) -> Charge | None:
        charge = await self._gateway.find(attempt)
        return None if charge and charge.status == PaymentStatus.PROCESSING else charge

    async def _mark_unknown(self, attempt: Attempt, reason: str) -> None:
        await self._database.run(
            payments.RECORD_ANSWER,
            _answer_parameters(attempt, PaymentStatus.UNKNOWN) | {"reason": reason, "actor": "workflow"},
        )

    async def _record(self, attempt: Attempt, charge: Charge, reason: str | None, actor: str) -> None:
        """Commit what the provider says; an attempt that has its final answer keeps it."""
        parameters = _answer_parameters(attempt, charge.status) | {"reason": reason, "actor": actor}
        parameters |= {"provider_reference": charge.provider_reference, "decline_code": charge.decline_code}
        if charge.status == PaymentStatus.CAPTURED:
            parameters |= {"captured_minor": charge.captured_minor, "captured_currency": charge.currency}
        await self._database.run(payments.RECORD_ANSWER, parameters)

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
        parameters = {"checkout_id": undo.checkout_id, "reason": undo.reason, "actor": undo.actor}
        async with self._database.transaction() as connection:
            status = (await connection.execute(checkouts.START_COMPENSATING, parameters)).scalar_one()
        if status == CheckoutStatus.CONFIRMED:
            raise InvariantBroken(f"checkout {undo.checkout_id} is confirmed and keeps its payment")
        last = PaymentAnswer(PaymentStatus.NONE)
        for row in await self._database.all(payments.ATTEMPTS, parameters):
            last = await self._take_back(_attempt(undo.checkout_id, row), row, undo)
        return last

    async def _take_back(self, attempt: Attempt, row: Row[Any], undo: Undo) -> PaymentAnswer:
        status = PaymentStatus(row.status)
        if status in _OPEN:
            charge = await self._gateway.void(attempt)
            if charge and charge.status not in _SETTLED:
                raise OutcomeUnknown(f"the provider cannot stop the payment yet: it is {charge.status}")
            await self._record_void(attempt, charge, undo)
            status = charge.status if charge else PaymentStatus.VOIDED
        if status in (PaymentStatus.CAPTURED, PaymentStatus.REFUNDING):
            await self._refund(attempt, undo)
            status = PaymentStatus.REFUNDED
        return PaymentAnswer(status, decline_code=row.decline_code)

    async def _record_void(self, attempt: Attempt, charge: Charge | None, undo: Undo) -> None:
        if charge:
            await self._record(attempt, charge, undo.reason, undo.actor)
        else:
            parameters = _answer_parameters(attempt, PaymentStatus.VOIDED)
            await self._database.run(payments.RECORD_ANSWER, parameters | {"reason": undo.reason, "actor": undo.actor})

    async def _refund(self, attempt: Attempt, undo: Undo) -> None:
        parameters = {"checkout_id": undo.checkout_id, "attempt": attempt.number}
        more = {"idempotency_key": f"{attempt.idempotency_key}-refund", "reason": undo.reason, "actor": undo.actor}
        await self._database.run(payments.START_REFUND, parameters | more)
        row = await self._database.one(payments.ATTEMPT, parameters)
        if row is None:
            raise InvariantBroken(f"attempt {attempt.number} of checkout {undo.checkout_id} is gone")
        refund = await self._gateway.refund(attempt, row.provider_reference, row.captured_minor)
        await self._database.run(
            payments.RECORD_REFUND,
            parameters | {"status": refund.status, "provider_reference": refund.provider_reference},
        )
        if refund.status != RefundStatus.SUCCEEDED:
            raise ProviderUnavailable(f"the refund {refund.provider_reference} is {refund.status}")


def _attempt(checkout_id: str, row: Row[Any]) -> Attempt:
    return Attempt(
        checkout_id=checkout_id,
        number=row.attempt,
        idempotency_key=row.idempotency_key,
        payment_method=row.payment_method,
        amount_minor=row.amount_minor,
        currency=row.currency,
        started_at=int(row.created_at.timestamp()),
        provider_reference=row.provider_reference,
    )


def _answer_parameters(attempt: Attempt, status: PaymentStatus) -> dict[str, Any]:
    return {
        "checkout_id": attempt.checkout_id,
        "attempt": attempt.number,
        "status": status,
        "provider_reference": None,
        "decline_code": None,
        "captured_minor": None,
        "captured_currency": None,
    }


def _answer(
    request: ChargePayment, status: str, captured_minor: int | None, currency: str | None, decline_code: str | None
) -> PaymentAnswer:
    """A capture of anything but what was asked is refused, and will be given back."""
    if status == PaymentStatus.CAPTURED:
        fits = (captured_minor, currency) == (request.amount_minor, request.currency)
        return PaymentAnswer(PaymentStatus.CAPTURED, refusal=None if fits else Reason.AMOUNT_MISMATCH)
    if status == PaymentStatus.REQUIRES_ACTION:
        decline_code = "authentication_required"
    return PaymentAnswer(PaymentStatus(status), refusal=Reason.PAYMENT_DECLINED, decline_code=decline_code)
