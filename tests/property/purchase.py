"""What one checkout may come to, told by a model that knows what was asked of it and nothing of how it is done."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
#: A status with its reason.
Ending = tuple[str, str | None]

BUSY = frozenset({"processing", "compensating"})
FINAL = frozenset({"confirmed", "rejected", "cancelled"})
UNDOING = frozenset({"compensating", "compensation_stuck"})
#: Reasons that come before anything is charged.
REFUSALS = frozenset(
    {"unknown_sku", "currency_mismatch", "out_of_stock", "price_changed", "total_too_large", "cart_already_ordered"}
)
MAX_ATTEMPTS = 5

_OPEN = frozenset({"processing", "awaiting_payment", "payment_stuck"})
#: Where a checkout may be found later. What is rejected was never the customer's or support's turn.
LATER: dict[str, frozenset[str]] = {
    "processing": _OPEN | UNDOING | FINAL,
    "awaiting_payment": _OPEN | UNDOING | FINAL - {"rejected"},
    "payment_stuck": _OPEN | UNDOING | FINAL - {"rejected"},
    "compensating": UNDOING | FINAL - {"confirmed"},
    "compensation_stuck": UNDOING | FINAL - {"confirmed"},
    **{status: frozenset({status}) for status in FINAL},
}

CONFIRMED: Ending = ("confirmed", None)
AWAITING: Ending = ("awaiting_payment", None)
STUCK: Ending = ("payment_stuck", None)
EXPIRED: Ending = ("cancelled", "payment_window_expired")
_DECLINE_CODES = {
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_known_to_nobody": "invalid_payment_method",
    "pm_sandbox_used_up": "payment_method_used_up",
    "pm_sandbox_belongs_to_customer": "payment_method_of_a_customer",
    "pm_sandbox_link": "payment_method_type_not_accepted",
    "pm_sandbox_needs_address": "customer_details_required",
}
#: What a payment method comes to while the provider is well. What hides its outcome may be stuck for a while.
OUTCOMES: dict[str, frozenset[Ending]] = {
    "pm_card_visa": frozenset({CONFIRMED}),
    "pm_card_authenticationRequired": frozenset({AWAITING, EXPIRED}),
    "pm_sandbox_processing": frozenset({CONFIRMED}),
    "pm_sandbox_lost_response": frozenset({CONFIRMED, STUCK}),
    "pm_sandbox_error_after_charge": frozenset({CONFIRMED, STUCK}),
    "pm_sandbox_flaky": frozenset({CONFIRMED, STUCK}),
    # Once the provider has recovered, it serves whoever comes with it.
    "pm_sandbox_unavailable": frozenset({STUCK, CONFIRMED}),
    "pm_sandbox_saved_error": frozenset({CONFIRMED, STUCK}),
    "pm_sandbox_refund_pending": frozenset({CONFIRMED}),
    "pm_sandbox_refund_fails": frozenset({CONFIRMED}),
    "pm_sandbox_late_capture": frozenset({CONFIRMED, STUCK}),
    "pm_sandbox_wrong_amount": frozenset({("cancelled", "amount_mismatch")}),
    **{method: frozenset({AWAITING, EXPIRED}) for method in _DECLINE_CODES},
}


@dataclass(eq=False)
class Purchase:
    """One checkout: what was asked of it, and what was seen of it last.

    ``methods`` are the payment methods by attempt. ``approved`` and ``failed`` are attempts that the customer has
    decided at the bank, ``resolved`` those of which support has said what became of them. ``started``, ``ordered`` and
    ``ended`` are the model's times: when it was asked for, was first seen with an order, and was first seen final.
    """

    key: str
    body: Json
    started: int
    view: Json
    methods: dict[int, str]
    tag: str | None = None
    final_content: bytes | None = None
    ordered: int | None = None
    ended: int | None = None
    cancelled_by: set[str] = field(default_factory=set)
    approved: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    resolved: set[int] = field(default_factory=set)
    is_disturbed: bool = False
    is_recovered: bool = False

    @property
    def id(self) -> str:
        """The checkout's id."""
        return str(self.view["id"])

    @property
    def status(self) -> str:
        """The status that was seen last."""
        return str(self.view["status"])

    @property
    def is_final(self) -> bool:
        """Whether it was seen to have ended."""
        return self.status in FINAL

    @property
    def quantities(self) -> dict[str, int]:
        """Units by SKU."""
        units: dict[str, int] = {}
        for line in self.body["lines"]:
            units[line["sku"]] = units.get(line["sku"], 0) + line["quantity"]
        return units

    def holds_until(self, moment: int) -> bool:
        """Whether it may hold stock then or later: whatever has not been seen to be undone before."""
        return self.ended is None or self.status == "confirmed" or self.ended > moment

    def payment_endings(self) -> frozenset[Ending]:
        """Where the payment may leave the checkout at rest, whoever's turn it is then."""
        attempt = self.view["payment"]["attempts"]
        assert attempt in self.methods, f"attempt {attempt} was never asked for: {self}"
        method = self.methods[attempt]
        endings = set(OUTCOMES[method])
        if AWAITING in endings and attempt == MAX_ATTEMPTS:
            endings.add(("cancelled", "payment_declined"))
        if attempt in self.approved or (self.is_recovered and STUCK in endings):
            endings.add(CONFIRMED)
        if self.is_disturbed:
            endings.add(STUCK)
        if attempt in self.resolved:
            endings |= {CONFIRMED, AWAITING, EXPIRED, ("cancelled", "cancelled_by_support")}
        return frozenset(endings)

    def check_decline(self) -> None:
        """The customer is told why, and whether there is something to do."""
        payment = self.view["payment"]
        attempt = payment["attempts"]
        if self.status != "awaiting_payment" or attempt in self.resolved:
            return
        method = self.methods[attempt]
        if payment["status"] == "requires_action":
            assert method == "pm_card_authenticationRequired", self
            assert payment["next_action"]["type"] == "redirect_to_url", self
            return
        assert payment["status"] == "declined", self
        expected = _DECLINE_CODES.get(method, "payment_intent_authentication_failure")
        assert payment["decline_code"] == expected, self
        assert method != "pm_card_authenticationRequired" or attempt in self.failed, self
