"""The checkout as its customer may see it: what the query `status` returns, and the workflow's result."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason

if TYPE_CHECKING:  # A request may hold a view: that of the run before.
    from checkout.domain.messages import CheckoutRequest


@dataclass(frozen=True)
class LineView:
    """A line; name and unit price are known once the order is written."""

    sku: str
    quantity: int
    name: str | None = None
    unit_price_minor: int | None = None


@dataclass(frozen=True)
class PaymentView:
    """The payment so far; ``attempts`` counts the tries.

    After a decline, ``retryable`` says whether the same method may work later. ``next_action`` is what the customer has
    to do: ``{"type": "redirect_to_url", "url": …}``.
    """

    status: PaymentStatus = PaymentStatus.NONE
    attempts: int = 0
    decline_code: str | None = None
    retryable: bool | None = None
    next_action: dict[str, str] | None = None


@dataclass(frozen=True)
class CheckoutView:
    """Everything a storefront shows. Times are ISO 8601 in UTC; amounts are minor units."""

    id: str
    status: CheckoutStatus
    customer_id: str
    currency: str
    lines: tuple[LineView, ...]
    created_at: str
    updated_at: str
    reason: Reason | None = None
    order_number: str | None = None
    cart_id: str | None = None
    total_minor: int | None = None
    payment: PaymentView = field(default_factory=PaymentView)


def view_at_start(request: "CheckoutRequest") -> CheckoutView:
    """What can be said of a checkout before its first step."""
    return CheckoutView(
        id=request.checkout_id,
        status=CheckoutStatus.PROCESSING,
        customer_id=request.customer_id,
        cart_id=request.cart_id,
        currency=request.currency,
        lines=tuple(LineView(line.sku, line.quantity) for line in request.lines),
        created_at=request.requested_at,
        updated_at=request.requested_at,
    )


class TimelineKind(StrEnum):
    """What kind of thing happened."""

    STEP = "step"
    ATTEMPT = "attempt"
    EVENT = "event"
    STAFF = "staff"


@dataclass(frozen=True)
class TimelineEntry:
    """One thing that happened, who did it, and why. ``at`` is ISO 8601."""

    at: str
    kind: TimelineKind
    what: str
    actor: str = "workflow"
    reason: str | None = None
