"""What each kind of row may become, as docs/explanation/states.md says it; written down anew, imported from nowhere.

A checker that took its list from the product would allow whatever the product allows by mistake.
"""

from typing import Final


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    """``before>after`` by ``before>after``; an empty ``before`` is a new row."""
    return frozenset((before, after) for pair in text.split() for before, _, after in [pair.partition(">")])


#: The entity of a line of the audit log -> the (before, after) pairs that may happen.
ALLOWED: Final[dict[str, frozenset[tuple[str, str]]]] = {
    "checkout": _pairs(
        """>processing >rejected >compensating
        processing>awaiting_payment processing>payment_stuck processing>confirmed processing>compensating
        awaiting_payment>processing awaiting_payment>payment_stuck awaiting_payment>confirmed
        awaiting_payment>compensating
        payment_stuck>processing payment_stuck>awaiting_payment payment_stuck>confirmed payment_stuck>compensating
        compensating>cancelled compensating>rejected compensating>compensation_stuck
        compensation_stuck>cancelled compensation_stuck>rejected"""
    ),
    "reservation": _pairs(">held held>committed held>released"),
    "order": _pairs(">pending pending>confirmed pending>cancelled"),
    "payment": _pairs(
        """>processing
        processing>pending processing>requires_action processing>unknown
        processing>captured processing>declined processing>voided
        pending>requires_action pending>unknown pending>captured pending>declined pending>voided
        requires_action>pending requires_action>unknown requires_action>captured requires_action>declined
        requires_action>voided
        unknown>pending unknown>requires_action unknown>captured unknown>declined unknown>voided
        captured>refunding refunding>refunded"""
    ),
    "refund": _pairs(
        """>pending >succeeded >failed
        pending>succeeded pending>failed failed>pending failed>succeeded"""
    ),
}

#: What has no way out. That a payment is final once it is captured and its order confirmed is another check's business.
FINAL: Final[dict[str, frozenset[str]]] = {
    "checkout": frozenset({"confirmed", "rejected", "cancelled"}),
    "reservation": frozenset({"committed", "released"}),
    "order": frozenset({"confirmed", "cancelled"}),
    "payment": frozenset({"declined", "refunded", "voided"}),
    "refund": frozenset({"succeeded"}),
}

#: Lines of the audit log that tell of what somebody did, and are no transition of a row.
DEEDS: Final = frozenset({"staff", "reconciliation"})

ENDED: Final = FINAL["checkout"]
#: A checkout in one of these waits for the customer or for support.
WAITING_FOR_A_PERSON: Final = frozenset({"awaiting_payment", "payment_stuck"})
