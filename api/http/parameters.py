"""The parameters that several routes read of a request: what FastAPI documents of each, and how it is read."""

from typing import Annotated, Final

from fastapi import Header, Path, Request
from pydantic import WithJsonSchema

from api.http.headers import preferred_wait_seconds
from api.http.idempotency import read_idempotency_key
from api.http.ordered_route import Reads

#: Spaces at the ends do not count, so a key begins and ends with something else.
_KEY: Final = WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"})
CHECKOUT_KEY_EXAMPLE: Final = "5f0c9d9e-cart_81-1"
UPDATE_KEY_EXAMPLE: Final = "try-2"
_TEXT: Final = WithJsonSchema({"type": "string"})


def _wait_seconds(request: Request) -> int | None:
    return preferred_wait_seconds(request.headers.getlist("prefer"))


def _update_key(request: Request) -> str | None:
    return read_idempotency_key(request) if "idempotency-key" in request.headers else None


CheckoutId = Annotated[
    str,
    Path(
        alias="id",
        description="the id of the checkout, from its view",
        openapi_examples={"a checkout": {"value": "chk_4ztq7s2m5xk3aw6nbycoe2dhru"}},
    ),
    Reads(lambda request: request.path_params["id"]),
]
IdempotencyKey = Annotated[
    str,
    _KEY,
    Header(
        alias="Idempotency-Key",
        description="1-255 printable ASCII characters (0x20-0x7E), new for every checkout. The same key with the same "
        "body is the same checkout, at any time; with another body it is refused.",
        openapi_examples={"a new key": {"value": CHECKOUT_KEY_EXAMPLE}},
    ),
    Reads(read_idempotency_key),
]
OptionalIdempotencyKey = Annotated[
    str | None,
    _KEY,
    Header(
        alias="Idempotency-Key",
        description="1-255 printable ASCII characters. The same request with the same key is done once, and gets the "
        "first response again however often it is sent; another body with the same key is refused.",
        openapi_examples={"a new key": {"value": UPDATE_KEY_EXAMPLE}},
    ),
    Reads(_update_key),
]
PreferredWait = Annotated[
    int | None,
    _TEXT,
    Header(
        alias="Prefer",
        description="`wait=N` (RFC 7240) holds the response for up to N seconds, at most 30.",
        openapi_examples={"ten seconds": {"value": "wait=10"}},
    ),
    Reads(_wait_seconds),
]
IfNoneMatch = Annotated[
    list[str],
    _TEXT,
    Header(
        alias="If-None-Match",
        description="entity tags the client has, or `*`; 304 when the view is one of them",
        default_factory=list,
    ),
    Reads(lambda request: request.headers.getlist("if-none-match")),
]
