"""Cursors of a list: opaque, and valid only for the next page of the same list."""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.http.problems import INVALID_QUERY, Problem

_TAG_BYTES: Final = 16


@dataclass(frozen=True, order=True)
class CursorPosition:
    """The position of a checkout in the list: by the time at which it was started, then by its id."""

    started_at: datetime
    checkout_id: str


class CursorSeal:
    """Signs cursors with a secret, so that only the API's own are accepted, and only with the same filters."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"cursors of lists", "sha256")

    def seal(self, position: CursorPosition, filters: Mapping[str, str]) -> str:
        """A cursor for the page after this position."""
        payload = json.dumps([position.started_at.isoformat(), position.checkout_id]).encode()
        return base64.urlsafe_b64encode(self._tag(payload, filters) + payload).decode().rstrip("=")

    def open(self, cursor: str, filters: Mapping[str, str]) -> CursorPosition:
        """The position after which the page begins.

        Raises:
            Problem: 422 when the API did not make it, or made it for other filters.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _refused() from error
        tag, payload = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(payload, filters)):
            raise _refused()
        started_at, checkout_id = json.loads(payload)
        return CursorPosition(datetime.fromisoformat(started_at), checkout_id)

    def _tag(self, payload: bytes, filters: Mapping[str, str]) -> bytes:
        message = json.dumps(filters, sort_keys=True).encode() + b"\n" + payload
        return hmac.digest(self._key, message, "sha256")[:_TAG_BYTES]


def _refused() -> Problem:
    message = "not a cursor of a list with these filters; start again without one"
    return Problem(
        INVALID_QUERY, "1 field breaks the schema.", members={"errors": [{"field": "cursor", "message": message}]}
    )
