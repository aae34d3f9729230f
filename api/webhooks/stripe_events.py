"""The provider's events: their signatures, and what is read of them (https://docs.stripe.com/webhooks).

An event is a reason to look again, never a fact, so little is read of it: its id, its type, its payment. Its mode and
account are passed on: the worker has the provider's key, and knows which are the shop's.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from stripe import SignatureVerificationError, WebhookSignature

from api.http.idempotency import is_checkout_id
from api.http.problems import INVALID_EVENT, INVALID_SIGNATURE, MALFORMED_JSON, Problem
from checkout.domain.events import PaymentEvent

#: Stripe's own default: an event that was signed longer ago may be a replay by an attacker.
TOLERANCE_SECONDS: Final = 300

#: Events of payments, refunds and disputes (https://docs.stripe.com/api/events/types).
_PAYMENT_TYPES = re.compile(r"(payment_intent|refund|charge\.dispute)\.[a-z_]{1,60}|charge\.(refunded|refund\.updated)")
_EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,251}")
_ACCOUNT_ID = re.compile(r"acct_[A-Za-z0-9_]{1,250}")
_INTENT_ID = re.compile(r"pi_[A-Za-z0-9_]{1,252}")


def verify(raw: bytes, header: str | None, secrets: Sequence[str]) -> None:
    """Accept these bytes only if one of the secrets signed exactly them, not long ago.

    Raises:
        Problem: 400; it does not say which of the checks failed.
    """
    text = _utf8(raw)
    # The package compares signatures as text, which Python allows for ASCII alone.
    if text is None or header is None or not header.isascii() or not any(_signed(text, header, s) for s in secrets):
        raise Problem(
            INVALID_SIGNATURE, "Stripe-Signature is missing, too old, or not made with a secret of this endpoint."
        )


def _signed(text: str, header: str, secret: str) -> bool:
    try:
        WebhookSignature.verify_header(text, header, secret, TOLERANCE_SECONDS)
    except SignatureVerificationError:
        return False
    return True


def read_event(raw: bytes) -> PaymentEvent | None:
    """The event, or None when it concerns no payment.

    Raises:
        Problem: 400 when the body is not an event.
    """
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Problem(MALFORMED_JSON, "The body is not a JSON object.") from error
    match event:
        case {
            "object": "event",
            "id": str(name),
            "type": str(kind),
            "created": int(created),
            "data": {"object": dict(of)},
        }:
            if not _EVENT_ID.fullmatch(name) or not 0 <= created < 2**33:
                raise Problem(INVALID_EVENT, "The id or the time of the event is not valid.")
            return _payment_event(name, kind, created, of, _origin(event))
    raise Problem(INVALID_EVENT, "An event has object, id, type, created and data.object.")


def _origin(event: Mapping[str, Any]) -> tuple[bool | None, str | None]:
    """Its mode and its account, each None if the event has none.

    Raises:
        Problem: 400; an event that cannot be read must not be accepted.
    """
    match event.get("livemode"), event.get("account"):
        case (bool() | None) as is_live, None:
            return is_live, None
        case (bool() | None) as is_live, str(account) if _ACCOUNT_ID.fullmatch(account):
            return is_live, account
    raise Problem(INVALID_EVENT, "The livemode or the account of the event is not valid.")


def _payment_event(
    name: str, kind: str, created: int, of: Mapping[str, Any], origin: tuple[bool | None, str | None]
) -> PaymentEvent | None:
    reference = of.get("id") if kind.startswith("payment_intent.") else _id(of.get("payment_intent"))
    if not _PAYMENT_TYPES.fullmatch(kind) or not isinstance(reference, str) or not _INTENT_ID.fullmatch(reference):
        return None
    return PaymentEvent(name, kind, reference, _checkout_id(of.get("metadata")), created, *origin)


def _id(value: Any) -> Any:
    """The id of a reference, which may have been expanded to the object itself."""
    return value.get("id") if isinstance(value, dict) else value


def _checkout_id(metadata: Any) -> str | None:
    found = metadata.get("checkout_id") if isinstance(metadata, dict) else None
    # Other programs may use the same account, with metadata of their own.
    return found if isinstance(found, str) and is_checkout_id(found) else None


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
