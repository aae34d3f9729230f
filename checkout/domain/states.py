"""Every state, the transitions between them, and the reasons for an ending.

The transition tables are the one place of truth: PostgreSQL refuses what they do not list (the migration's triggers),
and a test holds the two together. ``NEW`` stands for "no row yet".
"""

from enum import StrEnum
from typing import Final

NEW: Final = ""


class CheckoutStatus(StrEnum):
    """Where a checkout stands. The last three are final."""

    PROCESSING = "processing"
    AWAITING_PAYMENT = "awaiting_payment"
    PAYMENT_STUCK = "payment_stuck"
    COMPENSATING = "compensating"
    COMPENSATION_STUCK = "compensation_stuck"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self in _FINAL

    @property
    def is_busy(self) -> bool:
        """Whether the machine is at work and a client that waits should go on waiting."""
        return self in (CheckoutStatus.PROCESSING, CheckoutStatus.COMPENSATING)

    @property
    def is_open(self) -> bool:
        """Whether it may still be bought."""
        return self in OPEN

    @property
    def can_be_cancelled(self) -> bool:
        """Whether it has neither ended nor is being undone already."""
        return self.is_open


OPEN = frozenset({CheckoutStatus.PROCESSING, CheckoutStatus.AWAITING_PAYMENT, CheckoutStatus.PAYMENT_STUCK})
_FINAL = frozenset({CheckoutStatus.CONFIRMED, CheckoutStatus.REJECTED, CheckoutStatus.CANCELLED})


class PaymentStatus(StrEnum):
    """Where the money of a checkout stands."""

    NONE = "none"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    PENDING = "pending"
    CAPTURED = "captured"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    VOIDED = "voided"

    @property
    def is_open(self) -> bool:
        """Whether the provider, the bank or the customer may still change it."""
        return self in _OPEN_PAYMENT

    @property
    def is_taken(self) -> bool:
        """Whether money was taken, which may have been refunded since."""
        return self in _TAKEN


_OPEN_PAYMENT = frozenset(
    {PaymentStatus.PROCESSING, PaymentStatus.UNKNOWN, PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION}
)
_TAKEN = frozenset({PaymentStatus.CAPTURED, PaymentStatus.REFUNDING, PaymentStatus.REFUNDED})


class OrderStatus(StrEnum):
    """An order waits for its payment, or has ended one way or the other."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class ReservationStatus(StrEnum):
    """Stock is held for a checkout, then sold with it or released."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"


class RefundStatus(StrEnum):
    """A refund as the provider tells it."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a checkout ended without an order, or why its payment is stuck. Storefronts switch on these, so they never
    change.
    """

    UNKNOWN_SKU = "unknown_sku"
    OUT_OF_STOCK = "out_of_stock"
    CURRENCY_MISMATCH = "currency_mismatch"
    PRICE_CHANGED = "price_changed"
    TOTAL_TOO_LARGE = "total_too_large"
    CART_ALREADY_ORDERED = "cart_already_ordered"
    PAYMENT_DECLINED = "payment_declined"
    PAYMENT_WINDOW_EXPIRED = "payment_window_expired"
    AMOUNT_MISMATCH = "amount_mismatch"
    CANCELLED_BY_CUSTOMER = "cancelled_by_customer"
    CANCELLED_BY_SUPPORT = "cancelled_by_support"
    CANCELLED_BY_OPERATOR = "cancelled_by_operator"
    INTERNAL_ERROR = "internal_error"

    # Of a payment that is stuck, until a person has put something right at the provider.
    ACCOUNT_CANNOT_CHARGE = "account_cannot_charge"
    PROVIDER_REFUSES_KEY = "provider_refuses_key"
    OTHER_PROVIDER_ACCOUNT = "other_provider_account"

    @property
    def is_hold(self) -> bool:
        """Whether it is the reason of a payment that is stuck, and of no ending."""
        return self in _HOLDS

    @property
    def ending(self) -> CheckoutStatus:
        """`rejected` when nothing of value had happened yet, else `cancelled`."""
        return CheckoutStatus.REJECTED if self in _REJECTING else CheckoutStatus.CANCELLED


_HOLDS = frozenset({Reason.ACCOUNT_CANNOT_CHARGE, Reason.PROVIDER_REFUSES_KEY, Reason.OTHER_PROVIDER_ACCOUNT})
_REJECTING = frozenset(
    {
        Reason.UNKNOWN_SKU,
        Reason.OUT_OF_STOCK,
        Reason.CURRENCY_MISMATCH,
        Reason.PRICE_CHANGED,
        Reason.TOTAL_TOO_LARGE,
        Reason.CART_ALREADY_ORDERED,
    }
)


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    return frozenset((before.strip(), after) for line in text.split() for before, after in [line.split(">")])


#: table -> the (before, after) pairs that may happen; everything else is refused by the database itself.
TRANSITIONS: Final[dict[str, frozenset[tuple[str, str]]]] = {
    # A checkout that starts as `compensating` is a tombstone: its undo came before its first step.
    "checkouts": _pairs(
        """>processing >rejected >compensating
        processing>awaiting_payment processing>payment_stuck processing>confirmed processing>compensating
        awaiting_payment>processing awaiting_payment>payment_stuck awaiting_payment>confirmed
        awaiting_payment>compensating
        payment_stuck>processing payment_stuck>awaiting_payment payment_stuck>confirmed payment_stuck>compensating
        compensating>compensation_stuck compensating>rejected compensating>cancelled
        compensation_stuck>rejected compensation_stuck>cancelled"""
    ),
    "reservations": _pairs(">held held>committed held>released"),
    "orders": _pairs(">pending pending>confirmed pending>cancelled"),
    # A decline or a void is the last word of the tables, not of the provider: an undo asks it again.
    "payments": _pairs(
        """>processing
        processing>captured processing>declined processing>unknown processing>pending processing>requires_action
        processing>voided
        unknown>captured unknown>declined unknown>pending unknown>requires_action unknown>voided
        pending>captured pending>declined pending>unknown pending>requires_action pending>voided
        requires_action>captured requires_action>declined requires_action>unknown requires_action>pending
        requires_action>voided
        declined>captured voided>captured
        captured>refunding refunding>refunded"""
    ),
    # A refund that has succeeded may be reported as failed weeks later, and is made again.
    "refunds": _pairs(
        """>pending >succeeded >failed pending>succeeded pending>failed failed>pending failed>succeeded
        succeeded>failed"""
    ),
}
