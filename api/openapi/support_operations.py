"""What the OpenAPI page says of the support routes and of the provider's webhook."""

from typing import Any, Final

from api.http import problems
from api.http.problems import Kind
from api.openapi.declared_headers import PATH_ID, PRESS_KEY, STRIPE_SIGNATURE
from api.openapi.examples import EVENT
from api.openapi.operation_parts import ACTION, ALWAYS, BODY, KEYED, VIEW_HEADERS, body, json_of, page, status_of, view
from api.support.schemas import ListQuery, ListResponse, ResolveBody, RetryBody, SupportCancelBody, SupportResponse

_REASON: Final = "ticket 4711: the customer calls again"


def list_page() -> dict[str, Any]:
    """`GET /v1/support/checkouts`."""
    return page(
        "listCheckouts",
        "Find checkouts",
        "All checkouts, newest first, or those that match every filter. Statuses are the last that each published; one "
        "that has just started or changed may take a moment to be listed so.",
        "support",
        {200: json_of(ListResponse, "A page", ("list",))},
        (*KEYED, problems.INVALID_QUERY),
        parameters=_query_parameters(),
    )


def show_page() -> dict[str, Any]:
    """`GET /v1/support/checkouts/{id}`."""
    return page(
        "getSupportCheckout",
        "Read a checkout's whole story",
        "The view of whoever's checkout, with every step, attempt, provider event and staff action, and what may be "
        "done now. It tells of a workflow that failed or was terminated as well.",
        "support",
        {200: json_of(SupportResponse, "The view and the timeline", ("stuck",), ("Checkout-View",))},
        (*KEYED, problems.UNKNOWN_CHECKOUT),
        parameters=[PATH_ID],
    )


def retry_page() -> dict[str, Any]:
    """`POST /v1/support/checkouts/{id}/retry-payment`."""
    example = {"reason": _REASON, "payment_method": "pm_card_visa"}
    return _action(
        "retryPayment",
        "Charge a stuck payment again",
        "First the previous try is settled with the provider; only when it can take no money any more, the next is "
        "made, with the same method or another. Two who press it at once do one thing.",
        body(RetryBody, {"same card": {"reason": _REASON}, "another card": example}, required=True),
        (problems.NOT_STUCK, problems.ACTION_UNDER_WAY, problems.OUTCOME_STILL_UNKNOWN),
    )


def resolve_page() -> dict[str, Any]:
    """`POST /v1/support/checkouts/{id}/resolve-payment`."""
    captured = {"outcome": "captured", "provider_reference": "pi_3SWkQH2eZvKYlo2C", "reason": "seen in the dashboard"}
    return _action(
        "resolvePayment",
        "Say what became of a stuck payment",
        "For what only a person can know. The provider is asked first and believed when it answers. A capture while it "
        "is silent needs its reference as a proof; `not_charged` while it is silent ends the checkout as cancelled.",
        body(
            ResolveBody,
            {"captured": captured, "not charged": {"outcome": "not_charged", "reason": "the bank confirms it"}},
            required=True,
        ),
        (
            problems.NOT_STUCK,
            problems.ACTION_UNDER_WAY,
            problems.OUTCOME_STILL_UNKNOWN,
            problems.CONTRADICTED_BY_PROVIDER,
        ),
    )


def support_cancel_page() -> dict[str, Any]:
    """`POST /v1/support/checkouts/{id}/cancel`."""
    return _action(
        "cancelCheckoutForSupport",
        "Cancel a checkout",
        "Everything that was done is undone: money goes back, stock is released. Asking again changes nothing.",
        body(SupportCancelBody, {"on request": {"reason": _REASON}}, required=True),
        (problems.NOT_CANCELLABLE,),
        ("cancelled",),
    )


EVENT_MISTAKES: Final = (
    *(problems.INVALID_SIGNATURE, problems.MALFORMED_JSON),
    *(problems.INVALID_EVENT, problems.REQUEST_TIMEOUT, problems.BODY_TOO_LARGE),
)


def webhook_page() -> dict[str, Any]:
    """`POST /v1/webhooks/stripe`."""
    event = {"type": "object", "description": "https://docs.stripe.com/api/events/object"}
    content = {"application/json": {"schema": event, "examples": {"a payment": {"value": EVENT}}}}
    return page(
        "receiveStripeEvent",
        "Take an event of the provider",
        "2xx once the event is safe with Temporal: `accepted`, `duplicate` (known to have been before) or "
        "`ignored` (it concerns no payment). An event only has us look at the payment; what the provider says then "
        "decides. At most 1 MiB.",
        "webhooks",
        {200: status_of("accepted", "It is safe, and need not be sent again")},
        (*EVENT_MISTAKES, problems.OVERLOADED, *ALWAYS),
        open_to_all=True,
        parameters=[STRIPE_SIGNATURE],
        requestBody={"required": True, "content": content},
    )


def _action(
    operation_id: str,
    summary: str,
    description: str,
    request_body: dict[str, Any],
    refusals: tuple[Kind, ...],
    examples: tuple[str, ...] = ("processing",),
) -> dict[str, Any]:
    mistakes = (problems.IDEMPOTENCY_KEY_MALFORMED, *BODY, problems.IDEMPOTENCY_KEY_REUSED, problems.UNKNOWN_CHECKOUT)
    return page(
        operation_id,
        summary,
        description,
        "support",
        {202: view("It is done, or on its way", examples, ("Location", *VIEW_HEADERS))},
        (*KEYED, *mistakes, *refusals, *ACTION, problems.WORKER_UNAVAILABLE),
        parameters=[PATH_ID, PRESS_KEY],
        requestBody=request_body,
    )


def _query_parameters() -> list[dict[str, Any]]:
    schema = ListQuery.model_json_schema(ref_template="#/components/schemas/{model}")
    return [
        {"name": name, "in": "query", "required": False, "description": each.pop("description"), "schema": _plain(each)}
        for name, each in schema["properties"].items()
    ]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the null: a parameter that is not given is not there."""
    kinds = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    return kinds[0] if kinds else {name: value for name, value in schema.items() if name != "title"}
