"""The same key is the same checkout: ids derived from keys, and the fingerprint that tells another body.

Nothing is stored for it but the workflow itself: the id names it, and its memo keeps owner and fingerprint. The header
follows the IETF draft "The Idempotency-Key HTTP Header Field", except that the value is not parsed as a quoted string.
"""

import base64
import hmac
import json
import re
import uuid
from dataclasses import dataclass
from hashlib import sha256

from fastapi import Request

from api.http.problems import IDEMPOTENCY_KEY_MALFORMED, IDEMPOTENCY_KEY_MISSING, Problem
from checkout.domain.messages import CheckoutRequest

_PRINTABLE = re.compile(r"[ -~]{1,255}")
_CHECKOUT_ID = re.compile(r"chk_[a-z2-7]{26}")


@dataclass(frozen=True)
class Ownership:
    """What a workflow's memo keeps: the name of the key that started it, and the fingerprint of its request."""

    owner: str
    fingerprint: str


def read_idempotency_key(request: Request) -> str:
    """The header `Idempotency-Key`: once, 1-255 printable ASCII characters; spaces at its ends do not count.

    Raises:
        Problem: 400 when it is missing or malformed.
    """
    values = request.headers.getlist("idempotency-key")
    if not values:
        raise Problem(IDEMPOTENCY_KEY_MISSING, "Send a header Idempotency-Key, with a new value for every checkout.")
    key = values[0].strip(" \t")
    if len(values) > 1 or not _PRINTABLE.fullmatch(key):
        raise Problem(IDEMPOTENCY_KEY_MALFORMED, "Send one Idempotency-Key of 1 to 255 printable ASCII characters.")
    return key


@dataclass(frozen=True)
class UpdateKey:
    """The id under which Temporal runs an update once; ``is_keyed``: it is derived from the client's own key."""

    update_id: str
    is_keyed: bool = False


def derive_update_key(action: str, caller: str, idempotency_key: str | None) -> UpdateKey:
    """The same for the same caller, action and `Idempotency-Key`; a new one without such a header."""
    if idempotency_key is None:
        return UpdateKey(f"{action}-{uuid.uuid4()}")
    named = json.dumps([caller, idempotency_key])
    return UpdateKey(f"{action}-{sha256(named.encode()).hexdigest()}", is_keyed=True)


def derive_checkout_id(secret: bytes, key_name: str, idempotency_key: str) -> str:
    """The id of the checkout that this caller means by this key: stable, and not guessable without the secret.

    26 base32 characters of an HMAC-SHA256 are 130 bits. The name's length comes first, so that no other pair of name
    and key reads the same.
    """
    name = key_name.encode()
    message = len(name).to_bytes(2, "big") + name + idempotency_key.encode()
    digest = hmac.digest(secret, message, "sha256")
    return "chk_" + base64.b32encode(digest)[:26].decode().lower()


def is_checkout_id(text: str) -> bool:
    """Whether this has the form of a checkout's id at all."""
    return _CHECKOUT_ID.fullmatch(text) is not None


def fingerprint(request: CheckoutRequest) -> str:
    """SHA-256 of a request, in hex: the same for every way to write the same body.

    Null and absent are the same, so a field that a later release adds changes no fingerprint made before it.
    """
    fields = {
        "customer_id": request.customer_id,
        "cart_id": request.cart_id,
        "currency": request.currency,
        "lines": [[line.sku, line.quantity] for line in request.lines],
        "payment_method": request.payment_method,
        "expected_total_minor": request.expected_total_minor,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return sha256(json.dumps(given, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
