"""What the OpenAPI page says of each operation, beyond what the framework can see for itself.

Every operation declares each problem it can answer, by its row in `api.http.problems`, with an example.
"""

from typing import Any

from api.http import problems
from api.openapi.declared_headers import IDEMPOTENCY_KEY, IF_NONE_MATCH, PATH_ID, PREFER, PRESS_KEY
from api.openapi.examples import CHECKOUT, VIEWS
from api.openapi.operation_parts import (
    ACTION,
    ALWAYS,
    BODY,
    KEYED,
    VIEW_HEADERS,
    body,
    headers_of,
    page,
    status_of,
    view,
)
from api.storefront.schemas import CancelBody, CheckoutBody, PaymentBody


def create_page() -> dict[str, Any]:
    """`POST /v1/checkouts`."""
    mistakes = (
        problems.IDEMPOTENCY_KEY_MISSING,
        problems.IDEMPOTENCY_KEY_MALFORMED,
        *BODY,
        problems.IDEMPOTENCY_KEY_REUSED,
    )
    headers = ("Location", "Idempotent-Replayed", *VIEW_HEADERS)
    return page(
        "createCheckout",
        "Start a checkout",
        "Answers 202 as soon as the checkout is safe with Temporal. With `Prefer: wait=N` it answers 200 once the "
        "checkout is no longer `processing` or `compensating`, or 202 when the time is up.",
        "checkouts",
        {
            202: view("It is accepted, and under way", ("processing",), headers),
            200: view("It settled within `Prefer: wait`", ("confirmed", "cancelled"), ("Preference-Applied", *headers)),
        },
        (*KEYED, *mistakes, problems.CHECKOUT_FAILED, problems.TOO_MANY_REQUESTS, problems.ARTICLE_IN_DEMAND),
        parameters=[IDEMPOTENCY_KEY, PREFER],
        requestBody=body(CheckoutBody, {"two mugs": CHECKOUT}, required=True),
    )


def get_page() -> dict[str, Any]:
    """`GET /v1/checkouts/{id}`."""
    return page(
        "getCheckout",
        "Look at a checkout",
        "With `Prefer: wait=N` the answer is held: until the view differs from every tag in `If-None-Match`, or, "
        "without that header, until the checkout is no longer `processing` or `compensating`.",
        "checkouts",
        {
            200: view("The view", tuple(VIEWS), ("Preference-Applied", *VIEW_HEADERS)),
            304: {"description": "The client has this view", "headers": headers_of(VIEW_HEADERS)},
        },
        (*KEYED, problems.UNKNOWN_CHECKOUT, problems.CHECKOUT_FAILED),
        parameters=[PATH_ID, PREFER, IF_NONE_MATCH],
    )


def payment_page() -> dict[str, Any]:
    """`POST /v1/checkouts/{id}/payment`."""
    refusals = (problems.UNKNOWN_CHECKOUT, problems.NO_PAYMENT_AWAITED, problems.WORKER_UNAVAILABLE)
    headers = ("Location", *VIEW_HEADERS)
    return page(
        "submitPayment",
        "Pay in another way",
        "After a decline, or instead of doing what `next_action` asks, the customer tries again; the stock stays held. "
        "With `Prefer: wait=N` it answers 200 once the checkout has settled, or 202 when the time is up.",
        "checkouts",
        {
            202: view("It is taken, and under way", ("processing",), headers),
            200: view(
                "It settled within `Prefer: wait`", ("confirmed", "awaiting_payment"), ("Preference-Applied", *headers)
            ),
        },
        (
            *(*KEYED, problems.IDEMPOTENCY_KEY_MALFORMED, *BODY, problems.IDEMPOTENCY_KEY_REUSED),
            *(*refusals, *ACTION, problems.CHECKOUT_FAILED),
        ),
        parameters=[PATH_ID, PRESS_KEY, PREFER],
        requestBody=body(PaymentBody, {"another card": {"payment_method": "pm_card_visa"}}, required=True),
    )


def cancel_page() -> dict[str, Any]:
    """`POST /v1/checkouts/{id}/cancel`."""
    refusals = (
        problems.UNKNOWN_CHECKOUT,
        problems.NOT_CANCELLABLE,
        problems.CHECKOUT_FAILED,
        problems.WORKER_UNAVAILABLE,
    )
    headers = ("Location", *VIEW_HEADERS)
    return page(
        "cancelCheckout",
        "Cancel a checkout",
        "Everything that was done is undone: money goes back, stock is released. Asking again changes nothing.",
        "checkouts",
        {202: view("It is being undone, or it is already", ("cancelled",), headers)},
        (*KEYED, *BODY, *ACTION, *refusals),
        parameters=[PATH_ID],
        requestBody=body(CancelBody, {"nothing": {}}, required=False),
    )


def health_page() -> dict[str, Any]:
    """`GET /healthz`."""
    return page(
        "getHealth", "Is it alive?", "Always, if it answers.", "operations", {200: status_of("alive")}, open_to_all=True
    )


def readiness_page() -> dict[str, Any]:
    """`GET /readyz`."""
    return page(
        "getReadiness",
        "Can it serve?",
        "If Temporal can be reached.",
        "operations",
        {200: status_of("ready")},
        ALWAYS,
        open_to_all=True,
    )


def metrics_page() -> dict[str, Any]:
    """`GET /metrics`."""
    text = {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return page("getMetrics", "Metrics", "For Prometheus.", "operations", {200: text}, open_to_all=True)
