"""The checks that hold the shop to what it told its customers: ids, totals, endings.

The numbers are those of the list of invariants.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from checkout_lab.chaos.checker.books import CheckoutRow, Tables, Violation
from checkout_lab.chaos.checker.states import ENDED

View = Mapping[str, Any]
Wrong = Iterator[tuple[str, str]]

#: What a view says of its end that may never change again.
_LASTING: Final = ("status", "reason", "order_number", "total_minor", "currency", "lines", "customer_id", "cart_id")


@dataclass
class Promise:
    """What one key was told. ``ids`` are all that were ever returned for it; ``first_final`` is the view that was final
    when first seen, ``last`` the one seen last. ``broken``: the API said that nothing works on it any more, as it does
    of a workflow that somebody has terminated.
    """

    key: str
    body: Mapping[str, Any]
    ids: set[str] = field(default_factory=set)
    first_final: View | None = None
    last: View | None = None
    broken: bool = False


def _one_id(promises: Sequence[Promise], _: Tables) -> Wrong:
    for one in promises:
        if len(one.ids) > 1:
            yield one.key, f"got {', '.join(sorted(one.ids))}"


def _one_key(promises: Sequence[Promise], _: Tables) -> Wrong:
    keys: dict[str, set[str]] = defaultdict(set)
    for one in promises:
        for checkout_id in one.ids:
            keys[checkout_id].add(one.key)
    for checkout_id, several in keys.items():
        if len(several) > 1:
            yield checkout_id, f"was returned for {len(several)} keys"


def _final_stays(promises: Sequence[Promise], _: Tables) -> Wrong:
    for one in promises:
        if one.first_final is None or one.last is None:
            continue
        changed = [name for name in _LASTING if one.first_final[name] != one.last[name]]
        if changed:
            before, after = ({name: view[name] for name in changed} for view in (one.first_final, one.last))
            yield one.first_final["id"], f"was final as {before}, and is {after}"


def _view_agrees(promises: Sequence[Promise], tables: Tables) -> Wrong:
    """What was undone while its order was being written may have an order that its customer never heard of."""
    for checkout_id, view in _final_views(promises):
        row = tables.checkouts.get(checkout_id)
        here = (view["status"], view["reason"], view["order_number"], view["total_minor"])
        there = _as_shown(row) if row else None
        untold = view["status"] == "cancelled" and here[2:] == (None, None)
        if here != there and not (untold and there and here[:2] == there[:2]):
            yield checkout_id, f"HTTP says {here}, the tables {there}"


def _as_shown(row: CheckoutRow) -> tuple[str, str | None, str | None, int | None]:
    return row.status, row.reason, row.order_number, row.total_minor


def _payment_agrees(promises: Sequence[Promise], tables: Tables) -> Wrong:
    """The view shows the last attempt, and how many there were: with one that was undone before it was sent."""
    attempts: dict[str, list[str]] = defaultdict(list)
    for row in tables.attempts:
        attempts[row.checkout_id].append(row.status)
    for checkout_id, view in _final_views(promises):
        mine = attempts.get(checkout_id, [])
        number, unsent = len(mine), view["status"] == "cancelled" and view["payment"]["attempts"] == len(mine) + 1
        there = (mine[-1] if mine else "none", number + unsent)
        here = (view["payment"]["status"], view["payment"]["attempts"])
        if here != there:
            yield checkout_id, f"HTTP says {here}, the tables {there}"


def _sold_as_asked(promises: Sequence[Promise], tables: Tables) -> Wrong:
    """A sale is of what was asked for, for the customer who asked, at the total that was shown if one was."""
    for one in promises:
        view = one.last
        if view is None or view["status"] != "confirmed":
            continue
        here = (_asked(one.body["lines"]), one.body["customer_id"], one.body.get("cart_id"), one.body["currency"])
        there = (_asked(view["lines"]), view["customer_id"], view["cart_id"], view["currency"])
        if here != there:
            yield view["id"], f"asked {here}, sold {there}"
        if one.body.get("expected_total_minor") not in (None, view["total_minor"]):
            yield view["id"], f"shown {one.body['expected_total_minor']}, charged {view['total_minor']}"


def _asked(lines: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line["sku"]] += line["quantity"]
    return dict(units)


def _none_is_lost(promises: Sequence[Promise], tables: Tables) -> Wrong:
    """What was accepted has ended and says so; or it waits for a person, which the workflows tell."""
    for one in promises:
        for checkout_id in one.ids:
            row = tables.checkouts.get(checkout_id)
            if row is None and not one.broken:
                yield checkout_id, "was accepted, and the tables do not know it"
            elif row is not None and row.status in ENDED and not one.broken and one.first_final is None:
                yield checkout_id, f"has ended as {row.status}, and HTTP never said so"


def _final_views(promises: Sequence[Promise]) -> Iterator[tuple[str, View]]:
    """The views of those that ended by themselves; that of a terminated one stays what was published last."""
    for one in promises:
        if one.last is not None and one.last["status"] in ENDED and not one.broken:
            yield one.last["id"], one.last


#: What must hold of the promises at any moment; the tables are not needed for it.
ALWAYS: Final[dict[str, Callable[[Sequence[Promise], Tables], Wrong]]] = {
    "6: one key, one checkout": _one_id,
    "6: one checkout, one key": _one_key,
    "7: what HTTP called final stays": _final_stays,
}

#: What must hold of them when everything has come to rest.
EVENTUALLY: Final[dict[str, Callable[[Sequence[Promise], Tables], Wrong]]] = {
    "3: a sale is what was asked for": _sold_as_asked,
    "10: no accepted checkout is lost": _none_is_lost,
    "10: HTTP says what the tables say": _view_agrees,
    "10: HTTP shows the last attempt": _payment_agrees,
}


def shelf_violations(tables: Tables, units: Mapping[str, int], prices: Mapping[str, int]) -> list[Violation]:
    """Whether what was put on the shelves (sku -> units) is there or sold, at the prices (minor units) that it had."""
    here = {row.sku: row.units for row in tables.shelves}
    wrong = [
        Violation("1: what was put on the shelves is there or sold", sku, f"{units[sku]} then, {here.get(sku)} now")
        for sku in units
        if here.get(sku) != units[sku]
    ]
    return wrong + [
        Violation("3: a line costs what the catalogue says", row.checkout_id, f"{row.sku} at {row.unit_price_minor}")
        for row in tables.lines
        if row.sku in prices and row.unit_price_minor != prices[row.sku]
    ]
