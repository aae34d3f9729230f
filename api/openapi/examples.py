"""The examples of the OpenAPI document: a purchase of two mugs as customer and support see it, and every problem."""

from typing import Any, Final

from api.http import problems
from api.http.problems import ProblemKind, problem_body

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
    "payment": {"status": "none", "attempts": 0, "decline_code": None, "retryable": None, "next_action": None},
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
    "payment": {"status": "captured", "attempts": 1, "decline_code": None, "retryable": None, "next_action": None},
}

CANCELLED: Final[dict[str, Any]] = {
    **_ORDERED,
    "status": "cancelled",
    "reason": "payment_declined",
    "payment": {
        "status": "declined",
        "attempts": 1,
        "decline_code": "insufficient_funds",
        "retryable": True,
        "next_action": None,
    },
}

AWAITING_PAYMENT: Final[dict[str, Any]] = {
    **_ORDERED,
    "status": "awaiting_payment",
    "payment": CANCELLED["payment"],
}

VIEWS: Final = {
    "awaiting_payment": AWAITING_PAYMENT,
    "confirmed": CONFIRMED,
    "cancelled": CANCELLED,
    "processing": PROCESSING,
}

_LINK: Final = f"http://127.0.0.1:8233/namespaces/default/workflows/{PROCESSING['id']}/0193581c-7a3e-7a52-8d7c-0e1f"

STUCK: Final[dict[str, Any]] = {
    **_ORDERED,
    "status": "payment_stuck",
    "payment": {"status": "unknown", "attempts": 1, "decline_code": None, "retryable": None, "next_action": None},
    "workflow": "running",
    "can": ["retry_payment", "resolve_payment", "cancel"],
    "timeline": [
        {
            "at": "2025-11-23T09:30:00.310+00:00",
            "kind": "attempt",
            "what": "try 1 with pm_card_visa started",
            "actor": "workflow",
            "reason": None,
        },
        {
            "at": "2025-11-23T09:33:02.870+00:00",
            "kind": "staff",
            "what": "retry_payment: refused",
            "actor": "support:anna",
            "reason": "ticket 4711: the customer calls again",
        },
    ],
    "temporal_ui_url": _LINK,
}

LIST: Final[dict[str, Any]] = {
    "checkouts": [
        {
            "id": STUCK["id"],
            "status": "payment_stuck",
            "payment_status": "unknown",
            "workflow": "running",
            "customer_id": "cus_42",
            "order_number": STUCK["order_number"],
            "created_at": "2025-11-23T09:30:00.124+00:00",
            "ended_at": None,
            "temporal_ui_url": _LINK,
        }
    ],
    "next_cursor": None,
    "mismatches": 0,
}

#: By name: the examples that responses show.
EXAMPLES: Final = {**VIEWS, "stuck": STUCK, "list": LIST}

EVENT: Final[dict[str, Any]] = {
    "id": "evt_1SWkQJ2eZvKYlo2C",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": 1763890200,
    "livemode": False,
    "data": {
        "object": {
            "id": "pi_3SWkQH2eZvKYlo2C",
            "object": "payment_intent",
            "metadata": {"checkout_id": PROCESSING["id"]},
        }
    },
}

#: The detail of a problem, where it is more than the title.
_DETAILS: Final[dict[str, str]] = {
    problems.MALFORMED_JSON.code: "The body is not a JSON object: line 1, column 2: Expecting property name.",
    problems.INVALID_REQUEST.code: "1 field breaks the schema.",
    problems.NOT_CANCELLABLE.code: "The order is confirmed, or is being confirmed; it is too late to cancel.",
    problems.NO_PAYMENT_AWAITED.code: "The checkout does not wait for the customer to pay; see its status.",
    problems.OUTCOME_STILL_UNKNOWN.code: "Nothing was charged. The provider is asked again; try again later.",
    problems.CONTRADICTED_BY_PROVIDER.code: (
        "The provider says otherwise, and the provider is believed. (the provider says that the payment is declined.)"
    ),
    problems.INVALID_QUERY.code: "1 field breaks the schema.",
    problems.TEMPORAL_UNAVAILABLE.code: "Temporal cannot be reached: it does not respond. Send the same request again.",
}

_MEMBERS: Final[dict[str, dict[str, Any]]] = {
    problems.INVALID_REQUEST.code: {
        "errors": [{"field": "lines[0].quantity", "message": "Input should be greater than or equal to 1"}]
    },
    problems.INVALID_QUERY.code: {
        "errors": [{"field": "limit", "message": "Input should be less than or equal to 100"}]
    },
    problems.CHECKOUT_FAILED.code: {"checkout_id": PROCESSING["id"]},
}


def problem_example(kind: ProblemKind) -> dict[str, Any]:
    """One occurrence of this kind, always the same."""
    body = problem_body(kind, _DETAILS.get(kind.code, f"{kind.title}."), _MEMBERS.get(kind.code, {}))
    return {**body, "instance": "urn:uuid:0f4a1c52-7f3b-4a58-9d0e-2b8f6f1f6c11"}
