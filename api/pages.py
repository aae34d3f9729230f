"""What the OpenAPI page says of each operation, beyond what the framework can see for itself.

Every operation declares each problem it can answer, by its row in `api.errors`, with an example.
"""

from typing import Any, Final

from api import errors
from api.declared_headers import HEADERS, IDEMPOTENCY_KEY, IF_NONE_MATCH, PATH_ID, PREFER
from api.errors import PROBLEM_JSON, Kind
from api.examples import CHECKOUT, VIEWS, problem_example
from api.schemas import CancelBody, CheckoutAnswer, CheckoutBody, ProblemAnswer

REF: Final = "#/components/schemas/{model}"
_ALWAYS = (errors.INTERNAL_ERROR, errors.TEMPORAL_UNAVAILABLE, errors.TEMPORAL_OVERLOADED)
_KEYED = (errors.UNAUTHORIZED, errors.WRONG_SCOPE)
_BODY = (errors.MALFORMED_JSON, errors.BODY_TOO_LARGE, errors.UNSUPPORTED_MEDIA_TYPE, errors.INVALID_REQUEST)

_VIEW_HEADERS = ("ETag", "Retry-After", "Checkout-View")


def create_page() -> dict[str, Any]:
    """`POST /v1/checkouts`."""
    mistakes = (errors.IDEMPOTENCY_KEY_MISSING, errors.IDEMPOTENCY_KEY_MALFORMED, *_BODY, errors.IDEMPOTENCY_KEY_REUSED)
    headers = ("Location", "Idempotent-Replayed", *_VIEW_HEADERS)
    return _page(
        "createCheckout",
        "Start a checkout",
        "Answers 202 as soon as the checkout is safe with Temporal. With `Prefer: wait=N` it answers 200 once the "
        "checkout is no longer `processing` or `compensating`, or 202 when the time is up.",
        "checkouts",
        {
            202: _view("It is accepted, and under way", ("processing",), headers),
            200: _view(
                "It settled within `Prefer: wait`", ("confirmed", "cancelled"), ("Preference-Applied", *headers)
            ),
        },
        (*_KEYED, *mistakes, errors.CHECKOUT_FAILED),
        parameters=[IDEMPOTENCY_KEY, PREFER],
        requestBody=_body(CheckoutBody, {"two mugs": CHECKOUT}, required=True),
    )


def get_page() -> dict[str, Any]:
    """`GET /v1/checkouts/{id}`."""
    return _page(
        "getCheckout",
        "Look at a checkout",
        "With `Prefer: wait=N` the answer is held: until the view differs from every tag in `If-None-Match`, or, "
        "without that header, until the checkout is no longer `processing` or `compensating`.",
        "checkouts",
        {
            200: _view("The view", tuple(VIEWS), ("Preference-Applied", *_VIEW_HEADERS)),
            304: {"description": "The client has this view", "headers": _headers(_VIEW_HEADERS)},
        },
        (*_KEYED, errors.UNKNOWN_CHECKOUT, errors.CHECKOUT_FAILED),
        parameters=[PATH_ID, PREFER, IF_NONE_MATCH],
    )


def cancel_page() -> dict[str, Any]:
    """`POST /v1/checkouts/{id}/cancel`."""
    refusals = (errors.UNKNOWN_CHECKOUT, errors.NOT_CANCELLABLE, errors.CHECKOUT_FAILED, errors.WORKER_UNAVAILABLE)
    headers = ("Location", *_VIEW_HEADERS)
    return _page(
        "cancelCheckout",
        "Cancel a checkout",
        "Everything that was done is undone: money goes back, stock is released. Asking again changes nothing.",
        "checkouts",
        {202: _view("It is being undone, or it is already", ("cancelled",), headers)},
        (*_KEYED, *_BODY, *refusals),
        parameters=[PATH_ID],
        requestBody=_body(CancelBody, {"nothing": {}}, required=False),
    )


def health_page() -> dict[str, Any]:
    """`GET /healthz`."""
    return _page(
        "getHealth", "Is it alive?", "Always, if it answers.", "operations", {200: _status("alive")}, open_to_all=True
    )


def readiness_page() -> dict[str, Any]:
    """`GET /readyz`."""
    return _page(
        "getReadiness",
        "Can it serve?",
        "If Temporal can be reached.",
        "operations",
        {200: _status("ready")},
        _ALWAYS,
        open_to_all=True,
    )


def metrics_page() -> dict[str, Any]:
    """`GET /metrics`."""
    text = {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return _page("getMetrics", "Metrics", "For Prometheus.", "operations", {200: text}, open_to_all=True)


def _page(
    operation_id: str,
    summary: str,
    description: str,
    tag: str,
    answers: dict[int, dict[str, Any]],
    problems: tuple[Kind, ...] = (),
    *,
    open_to_all: bool = False,
    **extra: Any,
) -> dict[str, Any]:
    """The keyword arguments of `add_api_route` that describe one operation."""
    declared = problems if open_to_all else (*problems, *_ALWAYS)
    return {
        "operation_id": operation_id,
        "summary": summary,
        "description": description,
        "tags": [tag],
        "status_code": next(iter(answers)),
        "response_model": None,
        "responses": {**answers, **_problems(declared)},
        "openapi_extra": {"security": [] if open_to_all else [{"key": []}], **extra},
    }


def _problems(kinds: tuple[Kind, ...]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int | str, list[Kind]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _problem(same) for status, same in sorted(by_status.items(), key=str)}


def _problem(kinds: list[Kind]) -> dict[str, Any]:
    examples = {kind.code: {"summary": kind.title, "value": problem_example(kind)} for kind in kinds}
    content = {PROBLEM_JSON: {"schema": _ref(ProblemAnswer), "examples": examples}}
    headers = ["WWW-Authenticate"] if kinds[0].status in (401, 403) else []
    headers += ["Retry-After"] if kinds[0].retry_after_seconds else []
    description = "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds)
    return {"description": description, "content": content, "headers": _headers(tuple(headers))}


def _view(description: str, examples: tuple[str, ...], headers: tuple[str, ...]) -> dict[str, Any]:
    # By reference: the framework drops every null from what is declared here, and the nulls matter.
    shown = {name: {"$ref": f"#/components/examples/{name}"} for name in examples}
    content = {"schema": _ref(CheckoutAnswer), "examples": shown}
    return {"description": description, "content": {"application/json": content}, "headers": _headers(headers)}


def _status(word: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    return {"description": word, "content": {"application/json": {"schema": schema, "example": {"status": word}}}}


def _body(model: type[Any], examples: dict[str, Any], *, required: bool) -> dict[str, Any]:
    content = {"schema": _ref(model), "examples": {name: {"value": value} for name, value in examples.items()}}
    return {"required": required, "content": {"application/json": content}}


def _headers(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: HEADERS[name] for name in names}


def _ref(model: type[Any]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}
