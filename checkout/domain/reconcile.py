"""What reconciliation compares, finds and reports. All frozen, all plain JSON.

A comparison goes through its rows in pages, so that no payload grows with the shop: each page lists what does not
agree in it, and where the next one begins.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from checkout.domain.states import CheckoutStatus

#: How many mismatches a report lists; the rest is counted.
MAX_LISTED: Final = 100


class MismatchKind(StrEnum):
    """In what way two books disagree. Those of the first group can be set right safely; the others need a person."""

    ABANDONED_CHECKOUT = "abandoned_checkout"
    CAPTURED_FOR_NO_ORDER = "captured_for_no_order"
    CAPTURED_FOR_AN_UNKNOWN_CHECKOUT = "captured_for_an_unknown_checkout"
    CAPTURED_TWICE = "captured_twice"
    PAYMENT_STILL_POSSIBLE = "payment_still_possible"
    REFUND_UNFINISHED = "refund_unfinished"

    COMPLETED_BUT_OPEN = "completed_but_open"
    FOREIGN_LEDGER = "foreign_ledger"
    RESERVED_IS_NOT_WHAT_IS_HELD = "reserved_is_not_what_is_held"
    UNITS_APPEARED_OR_VANISHED = "units_appeared_or_vanished"
    ORDER_IS_NOT_ITS_LINES = "order_is_not_its_lines"
    CONFIRMED_IN_PART = "confirmed_in_part"
    UNDONE_IN_PART = "undone_in_part"
    CONFIRMED_BUT_NOT_CAPTURED = "confirmed_but_not_captured"
    CONFIRMED_BUT_REFUNDED = "confirmed_but_refunded"
    CAPTURED_ANOTHER_AMOUNT = "captured_another_amount"
    PAYMENT_OF_ANOTHER_PROGRAM = "payment_of_another_program"
    PAYMENT_CANNOT_BE_READ = "payment_cannot_be_read"
    NOT_COMPARED = "not_compared"

    @property
    def is_undone(self) -> bool:
        """Whether the steps of the checkout are to be taken back."""
        return self is MismatchKind.ABANDONED_CHECKOUT

    @property
    def is_orphan_payment(self) -> bool:
        """Whether the provider is to stop the payment or refund it."""
        return self in _ORPHAN_PAYMENTS


_ORPHAN_PAYMENTS = frozenset(
    {
        MismatchKind.CAPTURED_FOR_NO_ORDER,
        MismatchKind.CAPTURED_FOR_AN_UNKNOWN_CHECKOUT,
        MismatchKind.CAPTURED_TWICE,
        MismatchKind.PAYMENT_STILL_POSSIBLE,
        MismatchKind.REFUND_UNFINISHED,
    }
)


@dataclass(frozen=True)
class Mismatch:
    """One disagreement, about a checkout or an article. ``detail`` is a sentence for a person."""

    kind: MismatchKind
    detail: str
    checkout_id: str | None = None
    sku: str | None = None
    provider_reference: str | None = None
    repaired: bool = False


@dataclass(frozen=True)
class ShelfRecord:
    """How many units of an article the tables have, and what its reservations say of them.

    ``received``: all units that ever came; ``held`` and ``committed``: what reservations hold and have sold.
    """

    sku: str
    on_hand: int
    reserved: int
    received: int
    held: int
    committed: int

    @property
    def mismatches(self) -> list[Mismatch]:
        """Where the article and its reservations disagree."""
        found = []
        if self.reserved != self.held:
            detail = f"{self.reserved} units are reserved, and {self.held} are held"
            found.append(Mismatch(MismatchKind.RESERVED_IS_NOT_WHAT_IS_HELD, detail, sku=self.sku))
        if self.received != self.on_hand + self.committed:
            detail = f"{self.received} units were received, {self.on_hand} are on hand and {self.committed} are sold"
            found.append(Mismatch(MismatchKind.UNITS_APPEARED_OR_VANISHED, detail, sku=self.sku))
        return found


@dataclass(frozen=True)
class EndingRecord:
    """A checkout that has ended, and whether its order, payment and stock tell of the same ending.

    ``total_minor`` is the order's, None where there is no order; ``lines_total_minor`` is the sum of its lines.
    """

    checkout_id: str
    status: CheckoutStatus
    ended_at: datetime
    total_minor: int | None
    lines_total_minor: int
    is_confirmed_in_part: bool
    is_undone_in_part: bool

    @property
    def mismatches(self) -> list[Mismatch]:
        """Where the checkout and what belongs to it disagree."""
        found = []
        if self.total_minor is not None and self.total_minor != self.lines_total_minor:
            detail = f"the order's total is {self.total_minor} and its lines are {self.lines_total_minor} minor units"
            found.append(Mismatch(MismatchKind.ORDER_IS_NOT_ITS_LINES, detail, self.checkout_id))
        if self.is_confirmed_in_part:
            detail = "the checkout is confirmed, and its order, its payment or its stock does not say so"
            found.append(Mismatch(MismatchKind.CONFIRMED_IN_PART, detail, self.checkout_id))
        if self.is_undone_in_part:
            detail = f"the checkout is {self.status}, and its order, its payment or its stock does not say so"
            found.append(Mismatch(MismatchKind.UNDONE_IN_PART, detail, self.checkout_id))
        return found


@dataclass(frozen=True)
class PageQuery:
    """Which page to compare: of what changed between ``since`` and ``until`` (ISO 8601), from ``cursor`` on.

    What is younger than ``grace_seconds`` may still be on its way from one book into the other.
    """

    since: str
    until: str
    grace_seconds: float
    cursor: str | None = None


@dataclass(frozen=True)
class ComparedPage:
    """How many rows were compared, what does not agree, and where the next page begins; None at the end."""

    checked: int
    mismatches: tuple[Mismatch, ...] = ()
    next_cursor: str | None = None


@dataclass(frozen=True)
class ReconcileReport:
    """What was compared (``checked``: what -> how many rows) and what was found.

    ``mismatches`` are `MAX_LISTED` at most. The look goes back to ``since`` for what has ended, and
    further for what is open.
    """

    since: str
    until: str
    checked: dict[str, int] = field(default_factory=dict)
    mismatches: tuple[Mismatch, ...] = ()
    found: int = 0
    repaired: int = 0

    @property
    def unrepaired(self) -> int:
        """How many mismatches wait for a person."""
        return self.found - self.repaired

    def with_page(self, what: str, checked: int, mismatches: tuple[Mismatch, ...]) -> "ReconcileReport":
        """This report and one page more. What waits for a person is listed first."""
        listed = sorted((*self.mismatches, *mismatches), key=lambda one: one.repaired)
        return replace(
            self,
            checked=self.checked | {what: self.checked.get(what, 0) + checked},
            mismatches=tuple(listed[:MAX_LISTED]),
            found=self.found + len(mismatches),
            repaired=self.repaired + sum(one.repaired for one in mismatches),
        )


@dataclass(frozen=True)
class ReconcileRequest:
    """The input of `ReconcileWorkflow`. The last three are for a run that goes on where a long one was continued."""

    window_hours: float = 48
    grace_seconds: float = 5
    report: ReconcileReport | None = None
    stage: int = 0
    cursor: str | None = None
