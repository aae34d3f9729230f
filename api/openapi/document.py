"""The OpenAPI document: what FastAPI makes of the routes, and what it cannot know."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.schemas import ProblemResponse
from api.openapi.examples import EXAMPLES

DESCRIPTION: Final = """
Durable checkouts: stock, order and payment in one request that always comes to an end.

Every request carries `Authorization: Bearer KEY`. Every error is `application/problem+json` (RFC 9457) with a stable
`code`. After a 503, a timeout or a lost connection, send the same request again: nothing is done twice.
"""
_REF: Final = "#/components/schemas/{model}"
#: What FastAPI declares wherever there is a parameter, and never happens here: `OrderedRoute` validates by itself.
_NEVER: Final = "#/components/schemas/HTTPValidationError"


def describe_api(app: FastAPI) -> None:
    """Have the app serve this document as its `/openapi.json`, made once, when it is first requested."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's own documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title="Checkout", version="1", description=DESCRIPTION, routes=app.routes)
    components = document["components"]
    components["examples"] = {name: {"value": example} for name, example in EXAMPLES.items()}
    problem = ProblemResponse.model_json_schema(mode="serialization", ref_template=_REF)
    components["schemas"] |= {**problem.pop("$defs"), ProblemResponse.__name__: problem}
    for responses in _responses(document):
        if _NEVER in str(responses.get("422")):
            del responses["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    return document


def _responses(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield operation["responses"]
