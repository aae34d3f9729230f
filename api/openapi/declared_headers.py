"""The headers of responses, for which FastAPI has no declaration of its own."""

from typing import Any, Final

#: By name: what a response may carry.
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Location": {
        "description": "where the checkout is looked up",
        "schema": {"type": "string", "format": "uri-reference"},
    },
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
        "description": "`stale` when no worker responded: status, payment status and order number are the last that "
        "Temporal knows, everything else is as it was requested",
        "schema": {"type": "string", "enum": ["stale"]},
    },
    "WWW-Authenticate": {"description": "what is missing (RFC 6750)", "schema": {"type": "string"}},
}
#: Of every response that has the view of a checkout.
VIEW_HEADERS: Final = ("ETag", "Retry-After", "Checkout-View")
