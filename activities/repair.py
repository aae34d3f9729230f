"""Giving back money that belongs to no sale, found by reconciliation or by an event that came after the end."""

from typing import Any

from sqlalchemy import Row
from temporalio import activity

from activities.heartbeat import beating
from checkout.db import reconcile
from checkout.db.session import Database
from checkout.domain.errors import InvariantBroken
from checkout.domain.reconcile import Mismatch, MismatchKind
from checkout.domain.requests import PaymentEvent
from checkout.domain.states import CheckoutStatus, RefundStatus
from checkout.payments.gateway import Attempt, LedgerEntry, PaymentGateway

_ACTOR = "reconciliation"


class RepairActivities:
    """Each looks at the provider first, does what is still to be done, and may run twice or late."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway

    @activity.defn
    async def give_back(self, mismatch: Mismatch) -> bool:
        """Have the provider stop the payment, or refund all that it holds of it; answers whether that has landed.

        Raises:
            OutcomeUnknown, ProviderUnavailable: it is not certain yet; the next retry asks again.
            InvariantBroken: the payment is what a confirmed order counts on, and stays.
        """
        return await beating(self._set_right(mismatch))

    async def _set_right(self, mismatch: Mismatch) -> bool:
        entry = await self._gateway.entry(mismatch.provider_reference or "")
        if entry is None:
            return False
        if entry.may_still_capture:
            await self._gateway.void(_attempt_of(entry))
            entry = await self._gateway.entry(entry.provider_reference) or entry
        if entry.may_still_capture:
            return False
        return await self._is_nobodys(entry) and await self._refund(entry, mismatch.kind)

    @activity.defn
    async def settle_after_end(self, event: PaymentEvent) -> str:
        """Look at a payment of which the provider has news after its checkout ended.

        Answers what was done: `given_back`; `nothing_held`, when the money is where it belongs; `not_ended`, when the
        checkout is open and its workflow is gone, which reconciliation puts right.

        Raises:
            OutcomeUnknown, ProviderUnavailable: it is not certain yet; the next retry asks again.
        """
        return await beating(self._settle(event))

    async def _settle(self, event: PaymentEvent) -> str:
        entry = await self._gateway.entry(event.provider_reference)
        if entry is None:
            return "nothing_held"
        row = await self._row(entry)
        status = CheckoutStatus(row.status) if row.status else None
        if status is None or not status.is_final:
            return "not_ended"
        if status == CheckoutStatus.CONFIRMED or entry.held_minor <= 0:
            return "nothing_held"
        await self._refund(entry, MismatchKind.CAPTURED_FOR_NO_ORDER)
        return "given_back"

    async def _is_nobodys(self, entry: LedgerEntry) -> bool:
        """Whether no sale counts on this payment. A confirmed order must have its money elsewhere for certain."""
        row = await self._row(entry)
        if row.status != CheckoutStatus.CONFIRMED:
            return row.status is None or CheckoutStatus(row.status).is_final
        if row.kept_reference in (None, entry.provider_reference):
            return False
        kept = await self._gateway.entry(row.kept_reference)
        return kept is not None and kept.held_minor == row.captured_minor

    async def _row(self, entry: LedgerEntry) -> Row[Any]:
        parameters = {"checkout_ids": [entry.checkout_id], "references": [entry.provider_reference]}
        row = await self._database.one(reconcile.INTENTS, parameters)
        if row is None:
            raise InvariantBroken("one intent was asked for, and PostgreSQL answers nothing")
        return row

    async def _refund(self, entry: LedgerEntry, reason: MismatchKind) -> bool:
        attempt = _attempt_of(entry)
        told: dict[str, Any] = {
            "checkout_id": entry.checkout_id,
            "attempt": entry.attempt,
            "provider_reference": entry.provider_reference,
            "actor": _ACTOR,
            "reason": reason,
        }
        if entry.held_minor > 0:
            money = {"amount_minor": entry.held_minor, "currency": entry.currency}
            key = {"idempotency_key": f"{attempt.idempotency_key}-refund"}
            await self._database.run(reconcile.START_GIVING_BACK, told | money | key)
        elif entry.captured_minor == 0:
            return True
        refund = await self._gateway.refund(attempt, entry.provider_reference, entry.held_minor or entry.captured_minor)
        what = {"status": refund.status, "refund_reference": refund.provider_reference}
        await self._database.run(reconcile.RECORD_GIVEN_BACK, told | what)
        return refund.status == RefundStatus.SUCCEEDED and await self._is_settled(entry)

    async def _is_settled(self, entry: LedgerEntry) -> bool:
        now = await self._gateway.entry(entry.provider_reference)
        return now is not None and now.held_minor == 0


def _attempt_of(entry: LedgerEntry) -> Attempt:
    """The intent as the gateway's calls want it. The key names the intent, since two may claim the same try."""
    return Attempt(
        checkout_id=entry.checkout_id,
        number=entry.attempt,
        idempotency_key=f"{entry.checkout_id}-{entry.provider_reference}",
        payment_method="",
        amount_minor=entry.captured_minor,
        currency=entry.currency,
        started_at=entry.created,
        provider_reference=entry.provider_reference,
    )
