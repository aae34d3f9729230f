"""What shoppers buy and how they behave, drawn from a seed, so that the same campaign has the same customers.

All of them buy in EUR, so that an amount is the same number here, in the tables and at the provider.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

#: sku -> (unit price in minor units, units): enough of it for any campaign.
PLENTY: Final = {
    "MUG": (1290, 1_000_000),
    "PEN": (199, 1_000_000),
    "BOOK": (2450, 1_000_000),
    "LAMP": (8999, 1_000_000),
    "CHAIR": (12900, 1_000_000),
    "LEAFLET": (0, 1_000_000),
}
#: Of these there are so few that most who come for them leave without.
SCARCE: Final = {f"RARE-{number}": (4990, 4) for number in range(8)}
#: One for each crowd; when the crowds outnumber them, the later ones find the shelf empty.
HOT: Final = {f"HOT-{number:03}": (990, 5) for number in range(100)}
#: Priced in another currency than anybody pays in.
FOREIGN_SKU: Final = "DOLLAR-PEN"
FOREIGN_CURRENCY: Final = "USD"

#: Payment method -> of a thousand shoppers, how many come with it.
_METHODS: Final = {
    "pm_card_visa": 600,
    "pm_card_visa_chargeDeclined": 80,
    "pm_card_visa_chargeDeclinedInsufficientFunds": 30,
    "pm_card_authenticationRequired": 90,
    "pm_sandbox_processing": 50,
    "pm_sandbox_lost_response": 40,
    "pm_sandbox_error_after_charge": 40,
    "pm_sandbox_flaky": 25,
    "pm_sandbox_late_capture": 20,
    "pm_sandbox_wrong_amount": 15,
    "pm_sandbox_unavailable": 4,
    "pm_card_that_nobody_issued": 6,
    # Refused without a decline's form, each in its own way.
    "pm_sandbox_used_up": 6,
    "pm_sandbox_belongs_to_customer": 4,
    "pm_sandbox_link": 3,
    "pm_sandbox_needs_address": 3,
    # Its key keeps an error, so that only another one pays.
    "pm_sandbox_saved_error": 12,
    # What is given back of them takes its time, fails afterwards, or is refused until the provider recovers.
    "pm_sandbox_refund_pending": 15,
    "pm_sandbox_refund_fails": 10,
    "pm_sandbox_refund_refused": 4,
}
#: How long a payment is tried before support is called, in a campaign's shop.
STUCK_AFTER_SECONDS: Final = 12.0
#: How long a method takes by its own design, in seconds: the sandbox's delays, and the product's looks at them.
BY_DESIGN_SECONDS: Final = {
    "pm_sandbox_processing": 4.0,
    "pm_sandbox_lost_response": 1.0,
    "pm_sandbox_error_after_charge": 1.0,
    "pm_sandbox_flaky": 3.0,
    "pm_sandbox_saved_error": 2.0,
    "pm_sandbox_late_capture": 7.0,
    # It is tried until it is stuck.
    "pm_sandbox_unavailable": STUCK_AFTER_SECONDS + 1,
}
_LONGEST_THINKING_SECONDS: Final = 1.5
_LONGEST_SECOND_THOUGHT_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Scenario:
    """What one shopper does. ``body`` is what is bought under ``key``; ``waits`` whether the POST has `Prefer: wait`.

    ``at_bank`` is approve, fail, ignore or elsewhere (to pay in another way instead); ``when_declined`` is pay, cancel
    or leave. ``think_seconds`` pass before each of it, ``cancels_after_seconds`` before a change of mind.
    """

    key: str
    body: Mapping[str, Any]
    waits: bool
    think_seconds: float
    at_bank: str
    when_declined: str
    cancels_after_seconds: float | None = None

    @property
    def method(self) -> str:
        """The first payment method."""
        return str(self.body["payment_method"])


def draw(rng: random.Random, key: str) -> Scenario:
    """Draw a scenario for this key."""
    lines = _lines(rng)
    body: dict[str, Any] = {
        "customer_id": f"cus_{rng.randrange(500)}",
        "currency": "EUR",
        "lines": lines,
        "payment_method": rng.choices(list(_METHODS), list(_METHODS.values()))[0],
    }
    if rng.random() < 0.5:
        # Some carts are submitted by two.
        body["cart_id"] = f"cart_{key}" if rng.random() < 0.9 else f"cart_shared_{rng.randrange(200)}"
    if rng.random() < 0.4:
        body["expected_total_minor"] = _total_minor(lines) + (1 if rng.random() < 0.1 else 0)
    return Scenario(
        key,
        body,
        waits=rng.random() < 0.5,
        think_seconds=rng.uniform(0.1, _LONGEST_THINKING_SECONDS),
        at_bank=rng.choices(["approve", "fail", "elsewhere", "ignore"], [70, 12, 12, 6])[0],
        when_declined=rng.choices(["pay", "cancel", "leave"], [80, 12, 8])[0],
        cancels_after_seconds=rng.uniform(0, _LONGEST_SECOND_THOUGHT_SECONDS) if rng.random() < 0.08 else None,
    )


def draw_simple(rng: random.Random, key: str) -> Scenario:
    """Draw a scenario that waits for nobody: to measure the capacity, and for crowds."""
    scenario = draw(rng, key)
    lines = [{"sku": rng.choice(["MUG", "PEN", "BOOK"]), "quantity": 1}]
    body = {"customer_id": scenario.body["customer_id"], "currency": "EUR", "lines": lines}
    return replace(scenario, body={**body, "payment_method": "pm_card_visa"}, cancels_after_seconds=None)


def with_body(scenario: Scenario, **changes: Any) -> Scenario:
    """The same shopper with something else in the body."""
    return replace(scenario, body={**scenario.body, **changes})


def draw_next_method(rng: random.Random) -> str:
    """What a customer pays with after a decline: most often a card that works."""
    return rng.choices(["pm_card_visa", *_METHODS], [1000, *_METHODS.values()])[0]


def _lines(rng: random.Random) -> list[dict[str, Any]]:
    shelf = rng.choices([list(PLENTY), list(SCARCE), ["NO-SUCH-ARTICLE"], [FOREIGN_SKU]], [950, 30, 12, 8])[0]
    skus = rng.sample(shelf, min(len(shelf), rng.choices([1, 2, 3, 4, 5], [50, 25, 13, 7, 5])[0]))
    return [{"sku": sku, "quantity": rng.randint(1, 4)} for sku in skus]


def _total_minor(lines: list[dict[str, Any]]) -> int:
    prices = PLENTY | SCARCE
    return sum(prices.get(line["sku"], (100, 0))[0] * line["quantity"] for line in lines)
