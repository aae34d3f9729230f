"""PaymentIntents (https://docs.stripe.com/api/payment_intents): create, confirm, retrieve, cancel."""

from dataclasses import replace

from checkout.domain.money import CURRENCIES
from checkout.sandbox import keys
from checkout.sandbox.call import MAX_AMOUNT, Call
from checkout.sandbox.cards import CARDS, Card, Then
from checkout.sandbox.charges import expanded
from checkout.sandbox.errors import ApiError, Json, crash, missing, no_such, unavailable, unexpected_state
from checkout.sandbox.form import boolean, integer, metadata, only, required, string
from checkout.sandbox.ledger import Pending, dump, new_id
from checkout.sandbox.settling import decline, require_action, succeed

_CREATE = frozenset(
    "amount currency confirm payment_method payment_method_types metadata description return_url expand".split()
)
_CONFIRM = frozenset("payment_method return_url expand".split())
_CANCEL = frozenset("cancellation_reason expand".split())
_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
# Stripe's units, not ISO's (https://docs.stripe.com/currencies): the amount must divide by this.
_STEPS = {**dict.fromkeys(("isk", "ugx"), 100), **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10)}


def create(call: Call) -> Json:
    """POST /v1/payment_intents, confirming at once if asked to."""
    only(call.params, _CREATE)
    method = string(call.params, "payment_method")
    intent = _new_intent(call, method)
    card = _card(method) if method else None
    if not boolean(call.params, "confirm"):
        call.ledger.add_intent(intent, 0)
        return intent
    if card is None:
        raise missing("payment_method")
    _refuse(call, method, card)
    # A request that hangs has not come to the point where the intent can be seen by others; half-way it has.
    hidden = card.settles_after_seconds / 2 if card.then is Then.HANG else 0
    call.ledger.add_intent(intent, call.now + hidden)
    return _charge(call, intent, card)


def confirm(call: Call) -> Json:
    """POST /v1/payment_intents/{id}/confirm."""
    only(call.params, _CONFIRM)
    intent = retrieve(replace(call, params={}))
    method = string(call.params, "payment_method") or intent["payment_method"]
    if method is None:
        raise missing("payment_method")
    card = _card(method)
    if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
        raise unexpected_state("confirm", intent)
    _refuse(call, method, card)
    intent.update(payment_method=method, last_payment_error=None)
    return _charge(call, intent, card)


def retrieve(call: Call) -> Json:
    """GET /v1/payment_intents/{id}."""
    only(call.params, frozenset({"expand"}))
    intent = call.ledger.get("intents", call.name)
    if intent is None:
        raise no_such("payment_intent", call.name, "intent", 404)
    return expanded(call, intent)


def cancel(call: Call) -> Json:
    """POST /v1/payment_intents/{id}/cancel. A processing intent only while the money can still be stopped."""
    only(call.params, _CANCEL)
    reason = string(call.params, "cancellation_reason")
    if reason is not None and reason not in _REASONS:
        raise ApiError(
            400, f"Invalid cancellation_reason: must be one of {', '.join(_REASONS)}", param="cancellation_reason"
        )
    intent = retrieve(replace(call, params={}))
    pending = call.ledger.pending(call.name)
    if intent["status"] in ("succeeded", "canceled") or (pending and not pending.stoppable):
        raise unexpected_state("cancel", intent)
    intent.update(status="canceled", canceled_at=int(call.now), cancellation_reason=reason, next_action=None)
    call.ledger.save_intent(intent)
    if pending and pending.waiting_key:
        refused = unexpected_state("confirm", intent)
        keys.finish(call.ledger, pending.waiting_key, refused.status, dump(refused.body))
    call.put("payment_intent.canceled", intent)
    return intent


def _new_intent(call: Call, method: str | None) -> Json:
    amount, currency = _money(call)
    types = call.params.get("payment_method_types", {"0": "card"})
    if types != {"0": "card"}:
        raise ApiError(400, "This provider takes cards alone.", param="payment_method_types")
    return {
        "id": new_id("pi"),
        "object": "payment_intent",
        "amount": amount,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "created": int(call.now),
        "currency": currency,
        "description": string(call.params, "description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata(call.params),
        "next_action": None,
        "payment_method": method,
        "payment_method_types": ["card"],
        "status": "requires_confirmation" if method else "requires_payment_method",
    }


def _money(call: Call) -> tuple[int, str]:
    amount = integer(call.params, "amount")
    if amount is None:
        raise missing("amount")
    currency = required(call.params, "currency").lower()
    if currency.upper() not in CURRENCIES:
        raise ApiError(400, f"Invalid currency: {currency}.", param="currency")
    if amount < 1:
        raise ApiError(400, "This value must be greater than or equal to 1.", code="amount_too_small", param="amount")
    if amount > MAX_AMOUNT:
        raise ApiError(400, f"Amount must be no more than {MAX_AMOUNT}", code="amount_too_large", param="amount")
    if amount % _STEPS.get(currency, 1):
        step = _STEPS[currency]
        raise ApiError(400, f"Amounts in {currency} must be a multiple of {step}.", param="amount")
    return amount, currency


def _card(method: str) -> Card:
    if method not in CARDS:
        raise no_such("PaymentMethod", method, "payment_method")
    return CARDS[method]


def _refuse(call: Call, method: str | None, card: Card) -> None:
    if card.refusal_status and keys.refuse_once_more(call.ledger, call.key or f"{method} {call.name}", card.refusals):
        raise unavailable() if card.refusal_status == 503 else crash(saved=False)


def _charge(call: Call, intent: Json, card: Card) -> Json:
    call.then = card.then
    if card.status == "processing":
        intent["status"] = "processing"
        waiting_key = call.key if card.then is Then.HANG else None
        due = call.now + card.settles_after_seconds
        call.ledger.save_intent(intent, Pending(intent, due, card.stoppable, waiting_key))
        call.put("payment_intent.processing", intent)
    elif card.decline_code:
        decline(call.ledger, intent, "card_declined", card.decline_code, card.message, call.now)
        raise ApiError(402, card.message, saved=True, kind="card_error", **_decline_fields(intent))
    elif card.status == "requires_action":
        page = f"{call.base_url}/sandbox/authenticate/{intent['id']}"
        require_action(call.ledger, intent, page, string(call.params, "return_url"), call.now)
    else:
        intent["amount"] += card.extra_amount
        succeed(call.ledger, intent, call.now)
    if card.then is Then.FAIL:
        raise crash(saved=True)
    return intent


def _decline_fields(intent: Json) -> Json:
    error = intent["last_payment_error"]
    return {
        "code": error["code"],
        "decline_code": error["decline_code"],
        "charge": intent["latest_charge"],
        "payment_intent": intent,
    }
