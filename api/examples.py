"""The examples of the OpenAPI page: one purchase of two mugs, and every problem."""

from typing import Any, Final

from api import errors
from api.errors import Kind, problem_body

CHECKOUT: Final[dict[str, Any]] = {
    "customer_id": "cus_42",
    "cart_id": "cart_81",
    "currency": "EUR",
    "lines": [{"sku": "MUG-WHITE", "quantity": 2}],
    "payment_method": "pm_card_visa",
    "expected_total_minor": 2580,
}

PROCESSING: Final[dict[str, Any]] = {
    "id": "chk_4ztq7s2m5xk3aw6nbycoe2dhru",
    "status": "processing",
    "reason": None,
    "order_number": None,
    "customer_id": "cus_42",
    "cart_id": "cart_81",
    "currency": "EUR",
    "total_minor": None,
    "lines": [{"sku": "MUG-WHITE", "name": None, "quantity": 2, "unit_price_minor": None}],
    "payment": {"status": "none", "attempts": 0, "decline_code": None, "next_action": None},
    "created_at": "2025-11-23T09:30:00.120+00:00",
    "updated_at": "2025-11-23T09:30:00.120+00:00",
}

_ORDERED: Final[dict[str, Any]] = {
    **PROCESSING,
    "order_number": "7KD2-9QXM",
    "total_minor": 2580,
    "lines": [{"sku": "MUG-WHITE", "name": "White mug", "quantity": 2, "unit_price_minor": 1290}],
    "updated_at": "2025-11-23T09:30:00.310+00:00",
}

CONFIRMED: Final[dict[str, Any]] = {
    **_ORDERED,
    "status": "confirmed",
    "payment": {"status": "captured", "attempts": 1, "decline_code": None, "next_action": None},
}

CANCELLED: Final[dict[str, Any]] = {
    **_ORDERED,
    "status": "cancelled",
    "reason": "payment_declined",
    "payment": {"status": "declined", "attempts": 1, "decline_code": "insufficient_funds", "next_action": None},
}

VIEWS: Final = {"confirmed": CONFIRMED, "cancelled": CANCELLED, "processing": PROCESSING}

#: What the detail of each problem may read like, where the title alone does not tell.
_DETAILS: Final[dict[str, str]] = {
    errors.MALFORMED_JSON.code: "The body is not a JSON object: line 1, column 2: Expecting property name.",
    errors.INVALID_REQUEST.code: "1 field breaks the schema.",
    errors.NOT_CANCELLABLE.code: "The checkout is confirmed; there is nothing to cancel.",
    errors.TEMPORAL_UNAVAILABLE.code: "Temporal cannot be reached: it does not answer. Send the same request again.",
}

_MEMBERS: Final[dict[str, dict[str, Any]]] = {
    errors.INVALID_REQUEST.code: {
        "errors": [{"field": "lines[0].quantity", "message": "Input should be greater than or equal to 1"}]
    },
    errors.CHECKOUT_FAILED.code: {"checkout_id": PROCESSING["id"]},
}


def problem_example(kind: Kind) -> dict[str, Any]:
    """One occurrence of this kind; always the same, so that the page is."""
    body = problem_body(kind, _DETAILS.get(kind.code, f"{kind.title}."), _MEMBERS.get(kind.code, {}))
    return {**body, "instance": "urn:uuid:0f4a1c52-7f3b-4a58-9d0e-2b8f6f1f6c11"}
