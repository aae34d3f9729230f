"""The parts that the operations of the OpenAPI page are put together from."""

from typing import Any, Final

from api.http import problems
from api.http.problems import PROBLEM_JSON, Kind
from api.openapi.declared_headers import HEADERS
from api.openapi.examples import problem_example
from api.storefront.schemas import CheckoutResponse, ProblemResponse

REF: Final = "#/components/schemas/{model}"
ALWAYS: Final = (problems.INTERNAL_ERROR, problems.TEMPORAL_UNAVAILABLE, problems.TEMPORAL_OVERLOADED)
KEYED: Final = (problems.UNAUTHORIZED, problems.WRONG_SCOPE, problems.OVERLOADED)
BODY: Final = (
    *(problems.MALFORMED_JSON, problems.REQUEST_TIMEOUT, problems.BODY_TOO_LARGE),
    *(problems.UNSUPPORTED_MEDIA_TYPE, problems.INVALID_REQUEST),
)
#: An action that a client takes in a loop, or too many at once.
ACTION: Final = (problems.REFUSED_TOO_OFTEN, problems.TOO_MANY_AT_ONCE, problems.UPDATE_LIMIT_REACHED)
#: Who may call what stands under a tag: the security scheme, which has the name of the key's scope.
SCOPES: Final = {"checkouts": "storefront", "support": "support"}
VIEW_HEADERS: Final = ("ETag", "Retry-After", "Checkout-View")


def page(
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
    declared = problems if open_to_all else (*problems, *ALWAYS)
    return {
        "operation_id": operation_id,
        "summary": summary,
        "description": description,
        "tags": [tag],
        "status_code": next(iter(answers)),
        "response_model": None,
        "responses": {**answers, **_problems(declared)},
        "openapi_extra": {"security": [] if open_to_all else [{SCOPES[tag]: []}], **extra},
    }


def _problems(kinds: tuple[Kind, ...]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int | str, list[Kind]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _problem(same) for status, same in sorted(by_status.items(), key=str)}


def _problem(kinds: list[Kind]) -> dict[str, Any]:
    examples = {kind.code: {"summary": kind.title, "value": problem_example(kind)} for kind in kinds}
    content = {PROBLEM_JSON: {"schema": ref(ProblemResponse), "examples": examples}}
    headers = ["WWW-Authenticate"] if kinds[0].status in (401, 403) else []
    headers += ["Retry-After"] if kinds[0].retry_after_seconds else []
    description = "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds)
    return {"description": description, "content": content, "headers": headers_of(tuple(headers))}


def view(description: str, examples: tuple[str, ...], headers: tuple[str, ...]) -> dict[str, Any]:
    """An answer whose body is the view of a checkout."""
    return json_of(CheckoutResponse, description, examples, headers)


def json_of(
    model: type[Any], description: str, examples: tuple[str, ...], headers: tuple[str, ...] = ()
) -> dict[str, Any]:
    """An answer whose body is the model, with examples that are named among the page's components."""
    # By reference: the framework drops every null from what is declared here, and the nulls matter.
    shown = {name: {"$ref": f"#/components/examples/{name}"} for name in examples}
    content = {"schema": ref(model), "examples": shown}
    return {"description": description, "content": {"application/json": content}, "headers": headers_of(headers)}


def status_of(word: str, description: str | None = None) -> dict[str, Any]:
    """An answer that is one word."""
    schema = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    return {
        "description": description or word,
        "content": {"application/json": {"schema": schema, "example": {"status": word}}},
    }


def body(model: type[Any], examples: dict[str, Any], *, required: bool) -> dict[str, Any]:
    """What is sent."""
    content = {"schema": ref(model), "examples": {name: {"value": value} for name, value in examples.items()}}
    return {"required": required, "content": {"application/json": content}}


def headers_of(names: tuple[str, ...]) -> dict[str, Any]:
    """What an answer may carry."""
    return {name: HEADERS[name] for name in names}


def ref(model: type[Any]) -> dict[str, str]:
    """The schema of the model, among the page's components."""
    return {"$ref": REF.format(model=model.__name__)}
