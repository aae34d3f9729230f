"""What a confirmation with a payment method comes to (https://docs.stripe.com/payments/paymentintents/lifecycle)."""

from checkout_lab.sandbox.errors import ApiError, Json, crash, no_such, unavailable
from checkout_lab.sandbox.http import keys
from checkout_lab.sandbox.http.call import Delivery, SandboxCall
from checkout_lab.sandbox.http.form import string
from checkout_lab.sandbox.ledger.ledger import Pending
from checkout_lab.sandbox.objects.cards import Card
from checkout_lab.sandbox.objects.methods import METHODS
from checkout_lab.sandbox.objects.settling import decline, require_action, succeed

_CANNOT_CHARGE = "Your account cannot currently make live charges."


def card_of(method: str) -> Card:
    """The test payment method of this name.

    Raises:
        ApiError: there is none; nothing is made, and the error names no intent.
    """
    if method not in METHODS:
        raise no_such("PaymentMethod", method, "payment_method")
    return METHODS[method]


def fail_before(call: SandboxCall, method: str, card: Card, about: Json) -> None:
    """The failures that leave nothing behind; ``about`` is the intent as far as it is known.

    Raises:
        ApiError: it fails this time.
    """
    if card.until_recovery and not call.faults.recovered:
        raise unavailable()
    if card.failures and keys.refuse_once_more(call.ledger, call.key or f"{method} {call.name}", card.failures):
        raise crash(saved=False)
    checkout = about["metadata"].get("checkout_id", "")
    if card.fails_once_saved and keys.refuse_once_more(call.ledger, f"{method} {call.owner} {checkout}", 1):
        raise crash(saved=True)


def attempt(call: SandboxCall, intent: Json, method: str, card: Card) -> Json:
    """Confirm an intent that is in the ledger.

    Raises:
        ApiError: account or method are refused, which changes nothing of the intent; or the card is declined.
    """
    if call.faults.account == "cannot_charge":
        raise ApiError(400, _CANNOT_CHARGE, saved=True, payment_intent=intent)
    if why := card.refusal:
        named = intent if why.names_intent else None
        raise ApiError(400, why.message, saved=True, code=why.code, param=why.param, payment_intent=named)
    intent.update(payment_method=method, last_payment_error=None)
    call.delivery = card.delivery
    if card.status == "processing":
        _process(call, intent, card)
    elif card.decline_code:
        decline(call.ledger, intent, card.decline_code, card.message, call.now)
        raise ApiError(402, card.message, saved=True, kind="card_error", **_decline_fields(intent))
    elif card.status == "requires_action":
        page = f"{call.base_url}/sandbox/authenticate/{intent['id']}"
        require_action(call.ledger, intent, page, string(call.params, "return_url"), call.now)
    else:
        intent["amount"] += card.extra_amount
        succeed(call.ledger, intent, call.now)
    if card.delivery is Delivery.FAIL:
        raise crash(saved=True)
    return intent


def _process(call: SandboxCall, intent: Json, card: Card) -> None:
    intent["status"] = "processing"
    waiting_key = call.key if card.delivery is Delivery.HANG else None
    due = call.now + card.settles_after_seconds
    call.ledger.save_intent(intent, Pending(intent, due, card.stoppable, waiting_key))
    call.put("payment_intent.processing", intent)


def _decline_fields(intent: Json) -> Json:
    error = intent["last_payment_error"]
    return {
        "code": error["code"],
        "decline_code": error["decline_code"],
        "charge": intent["latest_charge"],
        "payment_method": error["payment_method"],
        "payment_intent": intent,
    }
