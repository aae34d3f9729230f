"""Stripe's objects read into the domain's. One with a missing or malformed field is an `OutcomeUnknown`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from checkout.domain.errors import OutcomeUnknown
from checkout.domain.payments import Charge, LedgerEntry, OddEntry, Refund
from checkout.domain.states import PaymentStatus, RefundStatus
from checkout.payments.stripe.amounts import from_stripe
from checkout.payments.stripe.errors import is_soft_decline

Object = Mapping[str, Any]

# https://docs.stripe.com/payments/paymentintents/lifecycle
_INTENT_STATUS = {
    "requires_payment_method": PaymentStatus.PROCESSING,
    "requires_confirmation": PaymentStatus.PROCESSING,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PENDING,
    "requires_capture": PaymentStatus.PENDING,
    "succeeded": PaymentStatus.CAPTURED,
    "canceled": PaymentStatus.VOIDED,
}
# https://docs.stripe.com/api/refunds/object#refund_object-status
_REFUND_STATUS = {
    "succeeded": RefundStatus.SUCCEEDED,
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
# https://docs.stripe.com/api/disputes/object#dispute_object-status
_WITHDRAWN = frozenset({"needs_response", "under_review", "lost"})


def read_charge(intent: Object) -> Charge:
    """A PaymentIntent as a `Charge`.

    Raises:
        OutcomeUnknown: it is not a whole PaymentIntent.
    """
    try:
        status, refusal = _INTENT_STATUS[intent["status"]], intent.get("last_payment_error") or {}
        if intent["status"] == "requires_payment_method" and refusal:
            status = PaymentStatus.DECLINED
        if status is PaymentStatus.CAPTURED and intent["amount_received"] == 0:
            status = PaymentStatus.VOIDED  # It is over, and nothing was taken.
        currency = _text(intent["currency"]).upper()
        charge = Charge(
            status=status,
            provider_reference=_text(intent["id"]),
            captured_minor=from_stripe(_whole(intent["amount_received"]), currency),
            currency=currency,
            latest_charge=_reference(intent.get("latest_charge")),
        )
        return _with_decline(charge, refusal) if status is PaymentStatus.DECLINED else _with_action(charge, intent)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable("PaymentIntent", error) from None


def read_refund(refund: Object, *, is_replay: bool = False) -> Refund:
    """A Refund as ours.

    Raises:
        OutcomeUnknown: it is not a whole Refund.
    """
    try:
        currency = _text(refund["currency"]).upper()
        amount_minor = from_stripe(_whole(refund["amount"]), currency)
        return Refund(_REFUND_STATUS[refund["status"]], _text(refund["id"]), amount_minor, currency, is_replay)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable("Refund", error) from None


def read_entry(intent: Object, disputes: Sequence[Object] | None = ()) -> LedgerEntry:
    """A PaymentIntent with its latest charge expanded, as a `LedgerEntry`; ``disputes`` None: they are not listed.

    A charge's ``amount_refunded`` counts refunds under way and not those that failed
    (https://docs.stripe.com/api/charges/object#charge_object-amount_refunded).

    Raises:
        OutcomeUnknown: it is not a whole PaymentIntent with its charge.
    """
    charge = read_charge(intent)
    try:
        is_captured = charge.status is PaymentStatus.CAPTURED
        refunded = _whole(intent["latest_charge"]["amount_refunded"]) if is_captured else 0
        captured_minor = charge.captured_minor if is_captured else 0
        return LedgerEntry(
            provider_reference=charge.provider_reference,
            checkout_id=_text(metadata(intent)["checkout_id"]),
            attempt=_number(metadata(intent).get("attempt")),
            status=charge.status,
            captured_minor=captured_minor,
            refunded_minor=from_stripe(refunded, charge.currency),
            currency=charge.currency,
            created=_whole(intent["created"]),
            disputed_minor=captured_minor if disputes is None else disputed_minor(disputes, charge.currency),
            deployment=metadata(intent).get("deployment"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable("PaymentIntent with its charge", error) from None


def read_any_entry(intent: Object, disputes: Sequence[Object] | None) -> LedgerEntry | OddEntry:
    """The same, for a list in which one that cannot be read must not hide the others.

    Raises:
        OutcomeUnknown: it has not even a time.
    """
    try:
        return read_entry(intent, disputes)
    except OutcomeUnknown as unreadable:
        try:
            return OddEntry(
                _text(intent["id"]), _whole(intent["created"]), str(unreadable), metadata(intent).get("deployment")
            )
        except (KeyError, TypeError) as error:
            raise _unreadable("PaymentIntent", error) from None


def disputed_minor(disputes: Sequence[Object], currency: str) -> int:
    """What banks have taken back, in minor units. An inquiry takes nothing, and a dispute that was won gives it back
    (https://docs.stripe.com/disputes/how-disputes-work).
    """
    taken = (one for one in disputes if one.get("status") in _WITHDRAWN)
    return sum(from_stripe(_whole(one["amount"]), currency) for one in taken)


def read_list(page: Object) -> tuple[list[Object], bool]:
    """The objects of one page, and whether there are more.

    Raises:
        OutcomeUnknown: it is not a list of objects.
    """
    data = page.get("data")
    if not isinstance(data, list) or not all(isinstance(one, Mapping) and one.get("id") for one in data):
        raise OutcomeUnknown("the provider's response is not a list of objects")
    return data, bool(page.get("has_more"))


def metadata(stripe_object: Object) -> Object:
    """What we wrote on it; empty if it is not ours."""
    found = stripe_object.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _with_decline(charge: Charge, error: Object) -> Charge:
    code = error.get("decline_code") or error.get("code")
    return replace(charge, decline_code=code, retryable=is_soft_decline(code, error.get("advice_code")))


def _with_action(charge: Charge, intent: Object) -> Charge:
    if charge.status is not PaymentStatus.REQUIRES_ACTION:
        return charge
    action = intent.get("next_action") or {}
    return replace(charge, next_action_url=(action.get("redirect_to_url") or {}).get("url"))


def _reference(value: object) -> str | None:
    """An id, which an expanded object carries inside (https://docs.stripe.com/api/expanding_objects)."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return None if found is None else _text(found)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("not a whole number")
    return value


def _number(value: object) -> int:
    """An attempt's number; 0 where it is none, since a person may have edited it."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else 0


def _unreadable(what: str, error: Exception) -> OutcomeUnknown:
    return OutcomeUnknown(f"the provider's response is not a whole {what} ({type(error).__name__}: {error})")
