"""What schemathesis has to know of the API that no OpenAPI document can say. It loads this file by itself."""

import uuid
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from api.http.parameters import CHECKOUT_KEY_EXAMPLE, UPDATE_KEY_EXAMPLE

Json = dict[str, Any]

#: One of each number of decimals is enough; a checkout in each of them all takes longer and shows nothing new.
CURRENCIES = ["EUR", "JPY", "KWD"]
#: Refusals of what is well-formed: whose key it is, who has signed it.
_BEYOND_THE_SCHEMA = frozenset({"idempotency_key_reused", "invalid_signature"})
#: Of addresses and methods that no operation has.
_OF_NO_OPERATION = frozenset({"not_found", "method_not_allowed"})
#: The same, of single fields. To JSON Schema 2.0 is an integer, and to us a guess.
_BEYOND_THE_FIELD = (
    "not a cursor of a list",
    "this looks like a card number",
    "this holds what looks like a card number",
    "lines with the same SKU count as one",
    "Input should be a valid integer",
)


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: Json) -> None:
    """Fewer currencies."""
    raw_schema["components"]["schemas"]["CheckoutBody"]["properties"]["currency"]["enum"] = CURRENCIES


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: Json) -> None:
    """The document's example of an `Idempotency-Key` is sent again and again, so each time it is made a new one."""
    if case.headers and case.headers.get("Idempotency-Key") in (CHECKOUT_KEY_EXAMPLE, UPDATE_KEY_EXAMPLE):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: schemathesis.Case[Any], response: schemathesis.Response
) -> bool:
    """Whether it is a failure: a valid request may be refused for what the schema cannot say."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    messages = [error["message"] for error in problem.get("errors", [])]
    is_field = bool(messages) and all(message.startswith(_BEYOND_THE_FIELD) for message in messages)
    return not (problem["code"] in _BEYOND_THE_SCHEMA or is_field)


def _declared_codes(case: schemathesis.Case[Any], status: int) -> set[str]:
    declared = case.operation.definition.raw["responses"].get(str(status), {})
    return set(declared.get("content", {}).get("application/problem+json", {}).get("examples", {}))


@schemathesis.check
def errors_are_problems(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Every error is a problem (RFC 9457) that the operation declares, and says when to send it again if it may be."""
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == ["application/problem+json"], response.headers
    problem = response.json()
    assert problem["status"] == response.status_code, problem
    assert problem["type"] == f"/problems/{problem['code']}", problem
    assert problem["code"] in _declared_codes(case, response.status_code) | _OF_NO_OPERATION, problem
    assert ("retry-after" in response.headers) == (response.status_code in (429, 503)), response.headers
