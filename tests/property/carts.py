"""What customers put into their carts, and what they pay with."""

from typing import Any

from hypothesis import strategies as st

from tests.property.purchase import OUTCOMES

Json = dict[str, Any]

#: By name: the price in minor units, the currency, the units on hand; few enough to be sold out.
ARTICLES = {"MUG": (1290, "EUR", 12), "CUP": (250, "EUR", 5), "GIFT": (0, "EUR", 4), "FAN": (500, "JPY", 5)}
METHODS = st.sampled_from(["pm_card_visa"] * 2 + sorted(OUTCOMES))
#: Whether somebody acts on what there was a moment ago, and not once it has settled.
HASTE = st.sampled_from([False, False, True])

_LINES = st.tuples(st.sampled_from(["MUG", "MUG", "MUG", "CUP", "CUP", "GIFT"]), st.sampled_from([1, 1, 1, 2, 5]))
#: What is special about a cart; nothing about most.
_EXTRAS = st.sampled_from([None] * 8 + ["an unknown article", "an article in yen", "a wrong total", "nothing but yen"])
_ADDED = {"an unknown article": [("NOWHERE", 1)], "an article in yen": [("FAN", 1)]}
_CARTS = st.sampled_from([None] * 6 + ["cart-1", "cart-2"])


@st.composite
def carts(draw: st.DrawFn) -> Json:
    """A cart, not yet with the names of one machine; ``expected`` is what to add to the right total, if anything."""
    lines, extra = draw(st.lists(_LINES, min_size=1, max_size=2)), draw(_EXTRAS)
    is_in_yen = extra == "nothing but yen"
    return {
        "lines": [("FAN", 1)] if is_in_yen else lines + _ADDED.get(extra or "", []),
        "currency": "JPY" if is_in_yen else "EUR",
        "cart": draw(_CARTS),
        "payment_method": draw(METHODS),
        "expected": 1 if extra == "a wrong total" else draw(st.sampled_from([None, 0])),
    }
