"""The checks that hold the tables against the provider's ledger. Each yields what is wrong: subject and detail.

The numbers are those of the list of invariants.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from checkout_lab.chaos.checker.books import AttemptRow, Intent, LedgerSnapshot, Tables
from checkout_lab.chaos.checker.states import ENDED

Wrong = Iterator[tuple[str, str]]
Check = Callable[[Tables, LedgerSnapshot], Wrong]

#: The sandbox's method that takes another amount than it was asked for; all of it has to be given back.
_TAKES_ANOTHER_AMOUNT: Final = "pm_sandbox_wrong_amount"
_TAKEN: Final = frozenset({"captured", "refunding", "refunded"})
#: An intent in one of these may still take money.
_UNDER_WAY: Final = frozenset({"processing", "requires_action", "requires_capture"})


def _kept_at_most_once(_: Tables, ledger: LedgerSnapshot) -> Wrong:
    for checkout_id, intents in ledger.by_checkout.items():
        kept = [one for one in intents if one.kept > 0]
        if len(kept) > 1:
            yield checkout_id, "kept: " + ", ".join(f"{one.kept} of {one.reference}" for one in kept)


def _taken_as_ordered(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    for one in ledger.intents.values():
        row = tables.checkouts.get(one.checkout_id)
        if not one.taken or row is None or row.total_minor is None or one.payment_method == _TAKES_ANOTHER_AMOUNT:
            continue
        if (one.taken, one.currency) != (row.total_minor, row.currency):
            yield one.checkout_id, f"taken {one.taken} {one.currency} of {row.total_minor} {row.currency}"


def _sales_are_paid(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    for row in tables.checkouts.values():
        if row.order_status != "confirmed" or not row.total_minor:
            continue
        kept = [(one.kept, one.currency) for one in ledger.by_checkout.get(row.checkout_id, ()) if one.kept]
        if kept != [(row.total_minor, row.currency)]:
            yield row.checkout_id, f"order of {row.total_minor} {row.currency}, and the provider has kept {kept}"


def _returned_at_most_what_was_taken(_: Tables, ledger: LedgerSnapshot) -> Wrong:
    for one in ledger.intents.values():
        if one.returned > one.taken:
            yield one.checkout_id, f"{one.reference}: taken {one.taken}, given back {one.returned}"


def _captures_are_real(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    """What the tables say was taken was taken: they learn it from the ledger, and are read first."""
    for row in tables.attempts:
        if row.status not in _TAKEN:
            continue
        intent = ledger.intents.get(row.provider_reference or "")
        there = (intent.checkout_id, intent.taken, intent.currency) if intent else None
        if there != (row.checkout_id, row.captured_minor, row.captured_currency):
            here = f"{row.captured_minor} {row.captured_currency} of {row.provider_reference}"
            yield row.checkout_id, f"attempt {row.attempt} is {row.status} with {here}; the ledger has {there}"


def _refunds_are_real(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    for row in tables.refunds:
        if row.status == "succeeded" and row.provider_reference not in ledger.refunds:
            yield row.checkout_id, f"refund {row.provider_reference} is in the tables alone"


def _money_has_an_order(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    for checkout_id, intents in ledger.by_checkout.items():
        row = tables.checkouts.get(checkout_id)
        kept = sum(one.kept for one in intents)
        if kept and (row is None or row.status != "confirmed"):
            yield checkout_id, f"{kept} are kept, and the checkout is {row.status if row else 'not in the tables'}"


def _nothing_can_be_taken_any_more(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    for one in ledger.intents.values():
        row = tables.checkouts.get(one.checkout_id)
        if one.status in _UNDER_WAY and (row is None or row.status in ENDED):
            yield (
                one.checkout_id,
                f"{one.reference} is {one.status}, and the checkout {row.status if row else 'is not'}",
            )


def _takings_are_known(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    """Every intent that took money is the outcome of an attempt, or was given back by reconciliation."""
    known = {(row.checkout_id, row.provider_reference) for row in tables.attempts if row.status in _TAKEN}
    known |= {(row.checkout_id, row.provider_reference) for row in tables.given_back}
    for one in ledger.intents.values():
        if one.taken and (one.checkout_id, one.reference) not in known:
            yield one.checkout_id, f"{one.reference} has taken {one.taken}, and no attempt says so"


def _returns_are_known(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    known = {row.provider_reference for row in tables.refunds}
    by_reconciliation = {row.provider_reference for row in tables.given_back}
    for refund, intent in ledger.refunds.items():
        if refund not in known and intent not in by_reconciliation:
            yield _checkout_of(intent, ledger), f"{refund} of {intent} is in the ledger alone"


def _sums_agree(tables: Tables, ledger: LedgerSnapshot) -> Wrong:
    """What is kept of each checkout, by the tables and by the ledger."""
    here: dict[str, int] = defaultdict(int)
    for row in tables.attempts:
        here[row.checkout_id] += _kept_of(row)
    for checkout_id in here.keys() | ledger.by_checkout.keys():
        there = sum(map(_kept_at_the_provider, ledger.by_checkout.get(checkout_id, ())))
        if here.get(checkout_id, 0) != there:
            yield checkout_id, f"kept {here.get(checkout_id, 0)} by the tables, {there} by the ledger"


def _kept_of(row: AttemptRow) -> int:
    return (row.captured_minor or 0) if row.status in ("captured", "refunding") else 0


def _kept_at_the_provider(one: Intent) -> int:
    return one.kept


def _checkout_of(reference: str, ledger: LedgerSnapshot) -> str:
    intent = ledger.intents.get(reference)
    return intent.checkout_id if intent else reference


#: What must hold at any moment, the tables having been read first.
ALWAYS: Final[dict[str, Check]] = {
    "2: one charge is kept at most": _kept_at_most_once,
    "3: the order's total is what is taken": _taken_as_ordered,
    "4: a sale is paid at the provider": _sales_are_paid,
    "5: no more is given back than the provider took": _returned_at_most_what_was_taken,
    "12: the ledger has every capture": _captures_are_real,
    "12: the ledger has every refund": _refunds_are_real,
}

#: What must hold when nothing is under way.
EVENTUALLY: Final[dict[str, Check]] = {
    "9: the provider keeps money for sales alone": _money_has_an_order,
    "9: nothing can be taken after the end": _nothing_can_be_taken_any_more,
    "12: the tables have every capture": _takings_are_known,
    "12: the tables have every refund": _returns_are_known,
    "12: tables and ledger keep the same": _sums_agree,
}
