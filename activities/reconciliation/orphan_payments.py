"""Giving back money that belongs to no sale, found by reconciliation or by an event that came after the end."""

from typing import Final

from temporalio import activity

from activities.heartbeat import with_heartbeat
from activities.payments.provider_account import ProviderAccount
from activities.payments.refunds import Refunds
from checkout.db import reconcile
from checkout.db.session import Database
from checkout.domain.errors import InvariantBroken
from checkout.domain.events import EventOutcome, PaymentEvent
from checkout.domain.payments import Attempt, CapturedPayment, IntentRecord, LedgerEntry, RefundCause
from checkout.domain.reconcile import Mismatch, MismatchKind
from checkout.domain.states import CheckoutStatus, RefundStatus
from checkout.payments.gateway import PaymentGateway

_ACTOR: Final = "reconciliation"


class OrphanPaymentActivities:
    """`refund_orphan_payment` and `settle_after_end`. Each looks at the provider first, and may run twice or late.

    A payment is refunded only if its intent is this deployment's for certain: it bears the deployment's mark, or the
    tables know it by its reference.
    """

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway
        self._refunds = Refunds(database, gateway)
        self._account = ProviderAccount(database, gateway)

    @activity.defn
    async def refund_orphan_payment(self, mismatch: Mismatch) -> bool:
        """Have the provider stop the payment, or refund all that it holds of it; returns whether that has landed.

        Raises:
            OutcomeUnknown, ProviderUnavailable: it is not certain yet; the next retry asks again.
            InvariantBroken: the payment is what a confirmed order counts on, and stays.
        """
        return await with_heartbeat(self._stop_or_refund(mismatch))

    async def _stop_or_refund(self, mismatch: Mismatch) -> bool:
        entry = await self._gateway.entry(mismatch.provider_reference or "")
        if entry is None:
            return False
        record = await self._record(entry)
        if not record.is_ours(entry):
            return False
        if entry.may_still_capture:
            await self._gateway.void(_attempt_of(entry, record))
            entry = await self._gateway.entry(entry.provider_reference) or entry
        if entry.may_still_capture:
            return False
        return await self._is_orphan(entry, record) and await self._refund(entry, record, mismatch.kind)

    @activity.defn
    async def settle_after_end(self, event: PaymentEvent) -> EventOutcome:
        """Look at a payment of which the provider has news after its checkout ended.

        Returns what was done: `refunded`; `nothing_held`, when the money is where it belongs; `not_ended`, when the
        checkout is open and its workflow is gone, which reconciliation repairs; `not_ours`, when the payment is not
        this deployment's.

        Raises:
            OutcomeUnknown, ProviderUnavailable: it is not certain yet; the next retry asks again.
        """
        return await with_heartbeat(self._settle(event))

    async def _settle(self, event: PaymentEvent) -> EventOutcome:
        entry = await self._gateway.entry(event.provider_reference)
        if entry is None:
            await self._account.check(anew=True)  # Another account would not show it either.
            return EventOutcome.NOTHING_HELD
        record = await self._record(entry)
        if not record.is_ours(entry):
            return EventOutcome.NOT_OURS
        if record.status is None or not record.status.is_final:
            return EventOutcome.NOT_ENDED
        if record.status is CheckoutStatus.CONFIRMED or entry.held_minor <= 0:
            return EventOutcome.NOTHING_HELD
        await self._refund(entry, record, MismatchKind.CAPTURED_FOR_NO_ORDER)
        return EventOutcome.REFUNDED

    async def _is_orphan(self, entry: LedgerEntry, record: IntentRecord) -> bool:
        """Whether no sale counts on this payment. A confirmed order must have its money elsewhere for certain."""
        if record.status is not CheckoutStatus.CONFIRMED:
            return record.status is None or record.status.is_final
        if record.kept is None or record.kept.provider_reference == entry.provider_reference:
            return False
        kept = await self._gateway.entry(record.kept.provider_reference)
        return kept is not None and kept.held_minor == record.kept.captured_minor

    async def _record(self, entry: LedgerEntry) -> IntentRecord:
        records = await reconcile.intents(self._database, [entry])
        if not records:
            raise InvariantBroken("one intent was asked for, and PostgreSQL returned nothing")
        return records[0]

    async def _refund(self, entry: LedgerEntry, record: IntentRecord, reason: MismatchKind) -> bool:
        if entry.captured_minor == 0:
            return True
        payment = CapturedPayment(
            entry.checkout_id,
            entry.attempt,
            entry.provider_reference,
            entry.captured_minor,
            entry.currency,
            record.deployment,
        )
        cause = RefundCause(_ACTOR, reason, is_orphan=True)
        refund = await (self._refunds.refund if entry.held_minor > 0 else self._refunds.follow_up)(payment, cause)
        return refund.status is RefundStatus.SUCCEEDED


def _attempt_of(entry: LedgerEntry, record: IntentRecord) -> Attempt:
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
        deployment=record.deployment,
    )
