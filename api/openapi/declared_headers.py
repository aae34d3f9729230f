"""The headers and parameters of the OpenAPI page, which the handlers read and write themselves."""

from typing import Any, Final

from api.openapi.examples import VIEWS

#: Spaces at the ends do not count, so a key begins and ends with something else.
_KEY: Final = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"}

#: By name: what an answer may carry.
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Location": {"description": "where the checkout is looked up", "schema": {"type": "string"}},
    "ETag": {"description": "strong tag of this view (RFC 9110)", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "seconds; there while the view is not final, and when the same request may be sent again",
        "schema": {"type": "integer"},
    },
    "Preference-Applied": {"description": "`wait=N` as it was applied (RFC 7240)", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true` when the same key had started this checkout before",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Checkout-View": {
        "description": "`stale` when no worker answered: status, payment status and order number are the last that "
        "Temporal knows, the rest is what was asked for",
        "schema": {"type": "string", "enum": ["stale"]},
    },
    "WWW-Authenticate": {"description": "what is missing (RFC 6750)", "schema": {"type": "string"}},
}

PATH_ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "the id of the checkout, from its view",
    "schema": {"type": "string"},
    "example": VIEWS["confirmed"]["id"],
}
IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "1-255 printable ASCII characters (0x20-0x7E), new for every checkout. The same key with the same "
    "body is the same checkout, at any time; with another body it is refused.",
    "schema": _KEY,
    "example": "5f0c9d9e-cart_81-1",
}
PRESS_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1-255 printable ASCII characters. The same request with the same key is done once, and answered "
    "with the first outcome however often it is sent; another body with the same key is refused.",
    "schema": _KEY,
    "example": "try-2",
}
STRIPE_SIGNATURE: Final = {
    "name": "Stripe-Signature",
    "in": "header",
    "required": True,
    "description": "`t=TIME,v1=SIGNATURE` over the very bytes of the body "
    "(https://docs.stripe.com/webhooks/signature); not older than 300 seconds",
    "schema": {"type": "string"},
    "example": "t=1763890200,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
}
PREFER: Final = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N` (RFC 7240) holds the answer for up to N seconds, at most 30.",
    "schema": {"type": "string"},
    "example": "wait=10",
}
IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "entity tags the client has, or `*`; 304 when the view is one of them",
    "schema": {"type": "string"},
}
