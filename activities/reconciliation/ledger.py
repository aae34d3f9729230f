"""Comparing the provider's ledger with the tables, both ways. What looks wrong counts once a second look agrees.

The ledger is read first and the tables after it, so an intent that is newer than the look at its row cannot seem lost.
"""

from contextlib import aclosing
from datetime import datetime

from temporalio import activity
from temporalio.client import Client

from activities.heartbeat import with_heartbeat
from activities.reconciliation.tables import WorkflowStatuses
from checkout.db import reconcile
from checkout.db.session import Database
from checkout.domain.payments import Charge, IntentRecord, LedgerEntry, OddEntry
from checkout.domain.reconcile import ComparedPage, Mismatch, MismatchKind, PageQuery
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.payments.gateway import PaymentGateway

_ENTRIES_A_PAGE = 1000
_UNSEEN_A_PAGE = 100
#: As many captures for unknown checkouts are no accident but another shop's ledger, or a database that was lost.
_STRANGERS_A_PAGE = 20
#: How far the provider's clock may be from ours.
_SKEW_SECONDS = 300


class LedgerActivities:
    """`compare_ledger`."""

    def __init__(self, database: Database, gateway: PaymentGateway, client: Client) -> None:
        self._database = database
        self._gateway = gateway
        self._workflows = WorkflowStatuses(client)

    @activity.defn
    async def compare_ledger(self, query: PageQuery) -> ComparedPage:
        """Whether the provider holds the money of every sale and of nothing else, in one part of its ledger.

        Raises:
            OutcomeUnknown, ProviderUnavailable: the ledger cannot be read now.
        """
        return await with_heartbeat(self._compare(query))

    async def _compare(self, query: PageQuery) -> ComparedPage:
        created_from = int(datetime.fromisoformat(query.since).timestamp())
        until = datetime.fromisoformat(query.until).timestamp()
        created_to = int(query.cursor) if query.cursor else int(until) + _SKEW_SECONDS
        found, next_to = await self._read(created_from, created_to)
        entries = [one for one in found if isinstance(one, LedgerEntry)]
        faults = [fault for fault in await self._faults(entries) if await self._is_so(fault, query, until)]
        faults += await self._odd([one for one in found if isinstance(one, OddEntry)])
        faults += await self._unseen(entries, created_from if next_to is None else next_to + 1, created_to)
        return ComparedPage(len(found), tuple(_without_strangers(faults)), None if next_to is None else str(next_to))

    async def _read(self, created_from: int, created_to: int) -> tuple[list[LedgerEntry | OddEntry], int | None]:
        """A part of the ledger, and the second in which the next one ends; a second is never divided."""
        entries: list[LedgerEntry | OddEntry] = []
        async with aclosing(self._gateway.ledger(created_from, created_to)) as ledger:
            async for entry in ledger:
                if len(entries) >= _ENTRIES_A_PAGE and entry.created < entries[-1].created:
                    return entries, entry.created
                entries.append(entry)
        return entries, None

    async def _faults(self, entries: list[LedgerEntry]) -> list[Mismatch]:
        records = await reconcile.intents(self._database, entries)
        return [found for entry, record in zip(entries, records, strict=True) if (found := verdict(entry, record))]

    async def _odd(self, entries: list[OddEntry]) -> list[Mismatch]:
        """Payments of this deployment that cannot be read; those of others are ignored."""
        if not entries:
            return []
        records = await reconcile.intents(self._database, entries)
        return [
            Mismatch(MismatchKind.PAYMENT_CANNOT_BE_READ, one.why, provider_reference=one.provider_reference)
            for one, record in zip(entries, records, strict=True)
            if record.is_ours(one)
        ]

    async def _is_so(self, fault: Mismatch, query: PageQuery, until: float) -> bool:
        """Whether it is still so at a second look, is not new, and no workflow is working on it."""
        if await self._workflows.is_at_work(fault.checkout_id or ""):
            return False
        entry = await self._gateway.entry(fault.provider_reference or "")
        if entry is None or entry.created > until - query.grace_seconds:
            return False
        return [one.kind for one in await self._faults([entry])] == [fault.kind]

    async def _unseen(self, entries: list[LedgerEntry], created_from: int, created_to: int) -> list[Mismatch]:
        seen = [entry.provider_reference for entry in entries]
        captures = await reconcile.unseen_captures(self._database, created_from, created_to, seen, _UNSEEN_A_PAGE + 1)
        found = [await self._missing(*capture) for capture in captures[:_UNSEEN_A_PAGE]]
        faults = [fault for fault in found if fault]
        if len(captures) > _UNSEEN_A_PAGE:
            detail = f"{_UNSEEN_A_PAGE} captures that the ledger does not show were looked up, and there are more"
            faults.append(Mismatch(MismatchKind.NOT_COMPARED, detail))
        return faults

    async def _missing(self, checkout_id: str, reference: str) -> Mismatch | None:
        entry = await self._gateway.entry(reference)
        if entry and entry.checkout_id == checkout_id:
            # It lies in another part of the ledger, since the clocks differ or an earlier attempt made it.
            return next(iter(await self._faults([entry])), None)
        if entry is None and await self._gateway.sees(reference):
            kind, detail = MismatchKind.PAYMENT_CANNOT_BE_READ, "it no longer names its checkout: somebody edited it"
        else:
            kind = MismatchKind.CONFIRMED_BUT_NOT_CAPTURED
            detail = "the payment counts as captured, and the provider knows of no such payment of this checkout"
        return Mismatch(kind, detail, checkout_id, provider_reference=reference)


def verdict(entry: LedgerEntry, record: IntentRecord) -> Mismatch | None:
    """What is wrong with an intent, given what the tables say of it; nothing while its checkout is under way, and
    nothing with another program's.
    """
    if record.is_under_way:
        return None
    if not record.is_ours(entry):
        return _not_ours(entry, record.status)
    kept = record.kept if record.status is CheckoutStatus.CONFIRMED else None
    if kept and kept.provider_reference == entry.provider_reference:
        return _sale_fault(entry, kept)
    return _ending_fault(entry, record)


def _ending_fault(entry: LedgerEntry, record: IntentRecord) -> Mismatch | None:
    ended = f"the checkout is {record.status}" if record.status else "no such checkout is known"
    if entry.held_minor > 0:
        detail = f"the provider holds {entry.held_minor} minor units of {entry.currency}, and {ended}"
        return _fault(entry, _orphan(record.status), detail)
    if entry.may_still_capture:
        return _fault(entry, MismatchKind.PAYMENT_STILL_POSSIBLE, f"the payment is {entry.status}, and {ended}")
    if record.refund_is_unfinished:
        return _fault(entry, MismatchKind.REFUND_UNFINISHED, f"{ended}, and its refund has not arrived yet")
    return None


def _not_ours(entry: LedgerEntry, status: CheckoutStatus | None) -> Mismatch | None:
    """One that names a checkout of this shop and lacks its mark may be a forgery; it is reported, and not changed."""
    if status is None or not (entry.held_minor > 0 or entry.may_still_capture):
        return None
    detail = f"it names a checkout that is {status}, and is not a payment that this shop made; it is not changed"
    return _fault(entry, MismatchKind.PAYMENT_OF_ANOTHER_PROGRAM, detail)


def _orphan(status: CheckoutStatus | None) -> MismatchKind:
    if status is None:
        return MismatchKind.CAPTURED_FOR_AN_UNKNOWN_CHECKOUT
    if status == CheckoutStatus.CONFIRMED:
        return MismatchKind.CAPTURED_TWICE
    return MismatchKind.CAPTURED_FOR_NO_ORDER


def _sale_fault(entry: LedgerEntry, kept: Charge) -> Mismatch | None:
    if entry.status != PaymentStatus.CAPTURED:
        detail = f"the order is confirmed, and the provider says that its payment is {entry.status}"
        return _fault(entry, MismatchKind.CONFIRMED_BUT_NOT_CAPTURED, detail)
    if entry.refunded_minor:
        detail = f"the order is confirmed, and {entry.refunded_minor} minor units of it were refunded"
        return _fault(entry, MismatchKind.CONFIRMED_BUT_REFUNDED, detail)
    if (entry.captured_minor, entry.currency) != (kept.captured_minor, kept.currency):
        there, here = f"{entry.captured_minor} {entry.currency}", f"{kept.captured_minor} {kept.currency}"
        return _fault(entry, MismatchKind.CAPTURED_ANOTHER_AMOUNT, f"captured is {there} there and {here} here")
    return None


def _fault(entry: LedgerEntry, kind: MismatchKind, detail: str) -> Mismatch:
    return Mismatch(kind, detail, entry.checkout_id, provider_reference=entry.provider_reference)


def _without_strangers(faults: list[Mismatch]) -> list[Mismatch]:
    """Payments are refunded for a few unknown checkouts; for many of them a person has to look first."""
    strangers = [one for one in faults if one.kind == MismatchKind.CAPTURED_FOR_AN_UNKNOWN_CHECKOUT]
    if len(strangers) <= _STRANGERS_A_PAGE:
        return faults
    detail = (
        f"{len(strangers)} captures are for checkouts that this database has never seen, so nothing was refunded: "
        "is the provider's account shared with another shop, or is this another database?"
    )
    return [Mismatch(MismatchKind.FOREIGN_LEDGER, detail), *(one for one in faults if one not in strangers)]
