"""Every list of statuses or reasons in a statement is a named set of the domain, so that a new one is not forgotten."""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import pytest

import checkout.db
from checkout.domain.states import OPEN, TRANSITIONS, CheckoutStatus, PaymentStatus, Reason, ReservationStatus

_STATEMENTS = sorted(Path(checkout.db.__path__[0]).glob("*.py"))
_ANY_LIST = re.compile(r"\bIN \('")
_LIST = re.compile(r"\bIN \(((?:'[a-z_]+'(?:,\s*)?)+)\)")


def _values(members: Iterable[str]) -> frozenset[str]:
    return frozenset(str(one) for one in members)


#: The sets that the domain names, each by what it is.
NAMED = {
    "open checkouts": _values(OPEN),
    "ended checkouts": _values(one for one in CheckoutStatus if one.is_final),
    "checkouts that are being undone": _values(one for one in CheckoutStatus if not (one.is_open or one.is_final)),
    "open payments": _values(one for one in PaymentStatus if one.is_open),
    "payments that may still be captured": _values(
        before for before, after in TRANSITIONS["payments"] if after == PaymentStatus.CAPTURED
    ),
    "reasons that hold payments": _values(one for one in Reason if one.is_hold),
}


class Exemption(NamedTuple):
    """A list that is no named set: what else there is of its kind, and why that is not in the list."""

    module: str
    listed: frozenset[str]
    kind: type[StrEnum]
    others: frozenset[str]
    why: str


EXEMPTIONS = (
    Exemption(
        "provider",
        _values(("requires_action", "pending", "declined", "voided")),
        PaymentStatus,
        _values(("none", "processing", "unknown", "captured", "refunding", "refunded")),
        "only the provider reports these; the others are known before it has, or have a charge, which is asked for",
    ),
    Exemption(
        "provider",
        _values(("processing", "unknown")),
        PaymentStatus,
        _values("none requires_action pending captured declined refunding refunded voided".split()),
        "open payments on which the provider has not reported; the others are not waiting for the hold to end",
    ),
    Exemption(
        "reconcile",
        _values(("held", "committed")),
        ReservationStatus,
        _values(("released",)),
        "what was released no longer counts on the shelf",
    ),
    Exemption(
        "reconcile",
        _values(("declined", "voided", "refunded")),
        PaymentStatus,
        _values("none processing requires_action pending captured unknown refunding".split()),
        "payments of which the shop has no money; every other one leaves an undo unfinished",
    ),
)

LISTS = [
    (path.stem, frozenset(re.findall("[a-z_]+", listed)))
    for path in _STATEMENTS
    for listed in _LIST.findall(path.read_text())
]


def test_every_list_in_a_statement_is_found() -> None:
    assert len(LISTS) == sum(len(_ANY_LIST.findall(path.read_text())) for path in _STATEMENTS)
    assert len(LISTS) > len(EXEMPTIONS)


@pytest.mark.parametrize(("module", "listed"), LISTS, ids=lambda value: value if isinstance(value, str) else "-")
def test_a_list_in_a_statement_is_a_named_set_or_exempt(module: str, listed: frozenset[str]) -> None:
    exempt = {one.listed for one in EXEMPTIONS if one.module == module}
    assert listed in NAMED.values() or listed in exempt


@pytest.mark.parametrize("exemption", EXEMPTIONS, ids=lambda one: f"{one.module}-{'-'.join(sorted(one.listed))}")
def test_an_exempt_list_stands_in_a_statement_and_accounts_for_every_status(exemption: Exemption) -> None:
    assert (exemption.module, exemption.listed) in LISTS
    assert exemption.listed.isdisjoint(exemption.others)
    assert exemption.listed | exemption.others == _values(exemption.kind)
