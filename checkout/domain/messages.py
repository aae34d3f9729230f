"""The inputs of workflows and activities, and the results of activities. All frozen, all plain JSON.

A step and its undo meet in the tables under the checkout's id, so an undo needs the id and the why, and nothing
that only the do could have told it.
"""

from dataclasses import dataclass, field

from checkout.domain.resume import Resume
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason


@dataclass(frozen=True)
class Line:
    """``quantity`` units of one article."""

    sku: str
    quantity: int


def merge_lines(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The same SKU twice is one line with the sum; the order of first mention stays."""
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return tuple(Line(sku, quantity) for sku, quantity in quantities.items())


@dataclass(frozen=True)
class Timeouts:
    """How long things may take, in seconds. It travels with the request, so that a workflow replays the same anywhere.

    ``payment_stuck_after_seconds`` bounds the automatic retries before a person is told; ``provider_timeout_seconds``
    bounds one call to the payment provider; ``payment_window_seconds`` is how long a customer may take each time that
    it is the customer's turn; ``max_attempts`` bounds the customer's attempts.
    """

    payment_stuck_after_seconds: float = 120
    provider_timeout_seconds: float = 10
    payment_window_seconds: float = 900
    max_attempts: int = 5


@dataclass(frozen=True)
class CheckoutRequest:
    """The input of `CheckoutWorkflow`: one cart, to be paid with one method.

    ``requested_at`` is when the API accepted it (ISO 8601, UTC). ``lines`` name each SKU once. ``resume`` is where the
    run before stood, for a run that goes on with a checkout whose history became too long.
    """

    checkout_id: str
    customer_id: str
    cart_id: str | None
    currency: str
    lines: tuple[Line, ...]
    payment_method: str
    expected_total_minor: int | None
    requested_at: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    resume: Resume | None = None


@dataclass(frozen=True)
class PricedLine:
    """A line as it was sold: name and unit price are the catalogue's at the moment of the order."""

    sku: str
    name: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True)
class ReserveStock:
    """Hold the stock of every line for this checkout, or of none."""

    checkout_id: str
    customer_id: str
    cart_id: str | None
    currency: str
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, request: CheckoutRequest) -> "ReserveStock":
        """What the first step is told of the whole request."""
        return cls(request.checkout_id, request.customer_id, request.cart_id, request.currency, request.lines)


@dataclass(frozen=True)
class CreateOrder:
    """Write the order for what is held; ``expected_total_minor`` is what the customer was shown, if anything."""

    checkout_id: str
    expected_total_minor: int | None


@dataclass(frozen=True)
class ChargePayment:
    """One attempt to take the money. ``attempt`` counts those of the customer, not the retries of the program."""

    checkout_id: str
    attempt: int
    payment_method: str
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class ConfirmOrder:
    """Sell what is held: the order is confirmed and the stock leaves the shelf."""

    checkout_id: str


@dataclass(frozen=True)
class Undo:
    """Take a step back, for this reason and on behalf of this actor; the result is the same however often it is run."""

    checkout_id: str
    reason: Reason
    actor: str


@dataclass(frozen=True)
class EndedCheckout:
    """How a checkout ended, read from the tables: for a workflow that is run again after Temporal forgot the first."""

    status: CheckoutStatus
    reason: Reason | None = None
    order_number: str | None = None
    total_minor: int | None = None
    lines: tuple[PricedLine, ...] = ()
    payment_status: PaymentStatus = PaymentStatus.NONE
    attempts: int = 0
    decline_code: str | None = None


@dataclass(frozen=True)
class ReservationResult:
    """Held, unless ``refusal`` says why not (``sku`` is the first article to blame), or it had ``ended`` before."""

    refusal: Reason | None = None
    sku: str | None = None
    ended: EndedCheckout | None = None


@dataclass(frozen=True)
class OrderResult:
    """The order, unless ``refusal`` says why there is none."""

    refusal: Reason | None = None
    order_number: str | None = None
    total_minor: int | None = None
    lines: tuple[PricedLine, ...] = ()


@dataclass(frozen=True)
class PaymentOutcome:
    """What became of one try. A decline is an outcome; an outage is an error.

    ``refusal`` is set when money was taken that may not be kept. ``retryable`` tells a soft decline (the same method
    may work later) from a hard one. ``verified`` is False where only a person vouches for it. ``held`` says why nobody
    can be charged until a person has put something right at the provider.
    """

    status: PaymentStatus
    refusal: Reason | None = None
    decline_code: str | None = None
    retryable: bool = False
    next_action_url: str | None = None
    verified: bool = True
    held: Reason | None = None


#: What an undo returns: where the payment ended, how the whole checkout ended, or nothing to tell.
UndoResult = PaymentOutcome | EndedCheckout | None


@dataclass(frozen=True)
class PaymentInQuestion:
    """One try whose outcome is to be looked up, or settled on behalf of ``actor``."""

    checkout_id: str
    attempt: int
    actor: str = "workflow"
    reason: str | None = None


@dataclass(frozen=True)
class Resolution:
    """What a person says became of one try (``outcome`` is captured or voided); ``provider_reference`` proves it."""

    checkout_id: str
    attempt: int
    outcome: PaymentStatus
    provider_reference: str | None
    actor: str
    reason: str


@dataclass(frozen=True)
class StatusChange:
    """The checkout's own row and the audit log learn where the checkout stands, while nothing else happens."""

    checkout_id: str
    status: CheckoutStatus
    reason: Reason | None = None
    actor: str = "workflow"


@dataclass(frozen=True)
class StaffAction:
    """Something that a person did: ``action`` in the state ``before``, which led to ``after``."""

    checkout_id: str
    action: str
    before: CheckoutStatus
    after: CheckoutStatus
    actor: str
    reason: str


@dataclass(frozen=True)
class HoldRequest:
    """The input of `ProviderHoldWorkflow`: why payments are held, for an operator to read."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class Probe:
    """What came of asking the provider once for all, and how many checkouts ``waiting`` there were."""

    is_released: bool
    waiting: int


@dataclass(frozen=True)
class HoldView:
    """Where the hold stands: the result, and the query `progress`."""

    waiting: int = 0
    probes: int = 0
    told: int = 0
