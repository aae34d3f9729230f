"""Giving back money that belongs to no sale, found by reconciliation or by an event that came after the end."""

from typing import Any, Final

from sqlalchemy import Row
from temporalio import activity

from activities.heartbeat import with_heartbeat
from activities.payments.provider_account import ProviderAccount
from activities.payments.refunds import Refunds, Taken, first_refund_key
from checkout.db import reconcile
from checkout.db.session import Database
from checkout.domain.errors import InvariantBroken
from checkout.domain.events import PaymentEvent
from checkout.domain.reconcile import Mismatch, MismatchKind
from checkout.domain.states import CheckoutStatus, RefundStatus
from checkout.payments.gateway import Attempt, LedgerEntry, PaymentGateway

_ACTOR: Final = "reconciliation"


class OrphanPaymentActivities:
    """Each looks at the provider first, does what is still to be done, and may run twice or late.

    Money is given back only for an intent that is this deployment's for certain: one that bears its mark, or one that
    the tables know by its reference.
    """

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway
        self._refunds = Refunds(database, gateway)
        self._account = ProviderAccount(database, gateway)

    @activity.defn
    async def give_back(self, mismatch: Mismatch) -> bool:
        """Have the provider stop the payment, or refund all that it holds of it; returns whether that has landed.

        Raises:
            OutcomeUnknown, ProviderUnavailable: it is not certain yet; the next retry asks again.
            InvariantBroken: the payment is what a confirmed order counts on, and stays.
        """
        return await with_heartbeat(self._set_right(mismatch))

    async def _set_right(self, mismatch: Mismatch) -> bool:
        entry = await self._gateway.entry(mismatch.provider_reference or "")
        if entry is None:
            return False
        row = await self._row(entry)
        if not is_ours(entry, row):
            return False
        if entry.may_still_capture:
            await self._gateway.void(_attempt_of(entry, row))
            entry = await self._gateway.entry(entry.provider_reference) or entry
        if entry.may_still_capture:
            return False
        return await self._is_nobodys(entry, row) and await self._refund(entry, row, mismatch.kind)

    @activity.defn
    async def settle_after_end(self, event: PaymentEvent) -> str:
        """Look at a payment of which the provider has news after its checkout ended.

        Returns what was done: `given_back`; `nothing_held`, when the money is where it belongs; `not_ended`, when the
        checkout is open and its workflow is gone, which reconciliation puts right; `not_ours`, when the payment is not
        this deployment's.

        Raises:
            OutcomeUnknown, ProviderUnavailable: it is not certain yet; the next retry asks again.
        """
        return await with_heartbeat(self._settle(event))

    async def _settle(self, event: PaymentEvent) -> str:
        entry = await self._gateway.entry(event.provider_reference)
        if entry is None:
            await self._account.check(anew=True)  # Not to be seen counts only where it would be.
            return "nothing_held"
        row = await self._row(entry)
        if not is_ours(entry, row):
            return "not_ours"
        status = CheckoutStatus(row.status) if row.status else None
        if status is None or not status.is_final:
            return "not_ended"
        if status == CheckoutStatus.CONFIRMED or entry.held_minor <= 0:
            return "nothing_held"
        await self._refund(entry, row, MismatchKind.CAPTURED_FOR_NO_ORDER)
        return "given_back"

    async def _is_nobodys(self, entry: LedgerEntry, row: Row[Any]) -> bool:
        """Whether no sale counts on this payment. A confirmed order must have its money elsewhere for certain."""
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
            raise InvariantBroken("one intent was asked for, and PostgreSQL returned nothing")
        return row

    async def _refund(self, entry: LedgerEntry, row: Row[Any], reason: MismatchKind) -> bool:
        taken = Taken(entry.checkout_id, entry.provider_reference, entry.captured_minor, entry.currency, row.deployment)
        told: dict[str, Any] = {
            "checkout_id": entry.checkout_id,
            "attempt": entry.attempt,
            "provider_reference": entry.provider_reference,
            "actor": _ACTOR,
            "reason": reason,
        }
        if entry.held_minor > 0:
            money = {"amount_minor": entry.captured_minor, "currency": entry.currency}
            key = {"idempotency_key": first_refund_key(taken)}
            await self._database.run(reconcile.START_GIVING_BACK, told | money | key)
        elif entry.captured_minor == 0:
            return True
        refund = await self._refunds.give_back(taken)
        what = {"status": refund.status, "refund_reference": refund.provider_reference}
        await self._database.run(reconcile.RECORD_GIVEN_BACK, told | what)
        return refund.status == RefundStatus.SUCCEEDED


def is_ours(entry: LedgerEntry, row: Row[Any]) -> bool:
    """Whether an intent is this deployment's for certain. Another program's may name a checkout in its own way."""
    return bool(row.is_recorded) or entry.deployment == row.deployment


def _attempt_of(entry: LedgerEntry, row: Row[Any]) -> Attempt:
    """The intent as the gateway's calls want it, to be stopped by its reference alone."""
    return Attempt(
        checkout_id=entry.checkout_id,
        number=entry.attempt,
        idempotency_key=f"{entry.checkout_id}-{entry.provider_reference}",
        payment_method="",
        amount_minor=entry.captured_minor,
        currency=entry.currency,
        started_at=entry.created,
        provider_reference=entry.provider_reference,
        deployment=row.deployment,
    )
