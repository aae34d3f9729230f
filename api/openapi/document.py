"""The OpenAPI document as a whole: operations, schemas, examples and the security scheme."""

from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.openapi.examples import SUPPORT, VIEWS
from api.openapi.operation_parts import REF, SCOPES
from api.storefront.schemas import CancelBody, CheckoutBody, CheckoutResponse, PaymentBody, ProblemResponse
from api.support.schemas import ListResponse, ResolveBody, RetryBody, SupportCancelBody, SupportResponse

DESCRIPTION: Final = """
Durable checkouts: stock, order and payment in one request that always comes to an end.

Every request carries `Authorization: Bearer KEY`. Every error is `application/problem+json` (RFC 9457) with a stable
`code`. After a 503, a time-out or a lost connection, send the same request again: nothing is done twice.
"""


def describe_api(app: FastAPI) -> None:
    """Have the app serve this page as its `/openapi.json`, made once, when it is first asked for."""

    def page() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _whole_page(app)
        return app.openapi_schema

    app.openapi = page  # type: ignore[method-assign] # FastAPI's own documented way


def _whole_page(app: FastAPI) -> dict[str, Any]:
    page = get_openapi(title="Checkout", version="1", description=DESCRIPTION, routes=app.routes)
    _, definitions = models_json_schema(_MODELS, ref_template=REF)
    page["components"] = {
        "schemas": definitions["$defs"],
        "examples": {name: {"value": view} for name, view in (VIEWS | SUPPORT).items()},
        "securitySchemes": {
            scope: {"type": "http", "scheme": "bearer", "description": f"a key of the scope `{scope}`"}
            for scope in SCOPES.values()
        },
    }
    return page


_MODELS: Final[list[tuple[type[BaseModel], Literal["validation", "serialization"]]]] = [
    (CheckoutBody, "validation"),
    (PaymentBody, "validation"),
    (CancelBody, "validation"),
    (RetryBody, "validation"),
    (ResolveBody, "validation"),
    (SupportCancelBody, "validation"),
    (CheckoutResponse, "serialization"),
    (ListResponse, "serialization"),
    (SupportResponse, "serialization"),
    (ProblemResponse, "serialization"),
]
