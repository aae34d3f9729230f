"""A snapshot as an HTTP response: the bytes of the view, and the headers that go with its state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Response

from api.storefront.conditional import entity_tag
from api.storefront.schemas import CheckoutResponse
from api.temporal.snapshots import Snapshot

#: After how long a client should look again at a checkout that is not final.
RETRY_AFTER_SECONDS: Final = 1


@dataclass(frozen=True)
class Rendered:
    """A snapshot with its body and its entity tag."""

    snapshot: Snapshot
    body: bytes
    tag: str


def render(snapshot: Snapshot) -> Rendered:
    """Write the view as JSON; the same view is always the same bytes."""
    body = CheckoutResponse.model_validate(snapshot.view).model_dump_json().encode()
    return Rendered(snapshot, body, entity_tag(body, is_stale=snapshot.is_stale))


def respond(rendered: Rendered, status: int, headers: Mapping[str, str] = {}) -> Response:
    """The view with this status; a 304 leaves out the body, as RFC 9110 asks."""
    snapshot = rendered.snapshot
    # A view belongs to the caller and may change at any moment: a cache has to revalidate it.
    sent = {"ETag": rendered.tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Prefer", **headers}
    if snapshot.is_stale:
        sent["Checkout-View"] = "stale"
    if snapshot.is_stale or not snapshot.view.status.is_final:
        sent["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 304:
        return Response(status_code=304, headers=sent)
    return Response(rendered.body, status, sent, "application/json")


def location(checkout_id: str) -> str:
    """Where the checkout is looked up."""
    return f"/v1/checkouts/{checkout_id}"
