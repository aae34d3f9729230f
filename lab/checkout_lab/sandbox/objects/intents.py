"""PaymentIntents (https://docs.stripe.com/api/payment_intents): create, confirm, retrieve, cancel."""

from checkout.domain.money import CURRENCIES
from checkout_lab.sandbox.errors import ApiError, Json, missing, unexpected_state
from checkout_lab.sandbox.http import keys
from checkout_lab.sandbox.http.call import MAX_AMOUNT, Delivery, SandboxCall
from checkout_lab.sandbox.http.form import boolean, integer, metadata, only, required, string
from checkout_lab.sandbox.ledger.ledger import dump, new_id
from checkout_lab.sandbox.ledger.owner import is_live
from checkout_lab.sandbox.objects.charges import expanded
from checkout_lab.sandbox.objects.confirming import attempt, card_of, fail_before

_CREATE = frozenset(
    "amount currency confirm payment_method payment_method_types metadata description return_url expand".split()
)
_CONFIRM = frozenset("payment_method return_url expand".split())
_CANCEL = frozenset("cancellation_reason expand".split())
_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
# Stripe's units, not ISO's (https://docs.stripe.com/currencies): the amount must divide by this.
_STEPS = {**dict.fromkeys(("isk", "ugx"), 100), **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10)}


def create(call: SandboxCall) -> Json:
    """POST /v1/payment_intents, confirming at once if asked to.

    The intent is made before it is confirmed, so it stays where its payment method is refused or declined.
    """
    only(call.params, _CREATE)
    method = string(call.params, "payment_method")
    confirms = boolean(call.params, "confirm")
    intent = _new_intent(call, None if confirms else method)
    card = card_of(method) if method else None
    if not confirms:
        call.ledger.add_intent(intent, 0, call.owner)
        return intent
    if method is None or card is None:
        raise missing("payment_method")
    fail_before(call, method, card, intent)
    # A request that hangs has not come to the point where the intent can be seen by others; half-way it has.
    hidden = card.settles_after_seconds / 2 if card.delivery is Delivery.HANG else 0
    call.ledger.add_intent(intent, call.now + hidden, call.owner)
    return attempt(call, intent, method, card)


def confirm(call: SandboxCall) -> Json:
    """POST /v1/payment_intents/{id}/confirm."""
    only(call.params, _CONFIRM)
    intent = _named(call)
    method = string(call.params, "payment_method") or intent["payment_method"]
    if method is None:
        raise missing("payment_method")
    card = card_of(method)
    if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
        raise unexpected_state("confirm", intent)
    fail_before(call, method, card, intent)
    return attempt(call, intent, method, card)


def retrieve(call: SandboxCall) -> Json:
    """GET /v1/payment_intents/{id}."""
    only(call.params, frozenset({"expand"}))
    return expanded(call, _named(call))


def cancel(call: SandboxCall) -> Json:
    """POST /v1/payment_intents/{id}/cancel. A processing intent only while the money can still be stopped."""
    only(call.params, _CANCEL)
    reason = string(call.params, "cancellation_reason")
    if reason is not None and reason not in _REASONS:
        raise ApiError(
            400, f"Invalid cancellation_reason: must be one of {', '.join(_REASONS)}", param="cancellation_reason"
        )
    return call_off(call, _named(call), reason)


def call_off(call: SandboxCall, intent: Json, reason: str | None) -> Json:
    """Cancel an intent, by whomever.

    Raises:
        ApiError: its status does not allow it.
    """
    pending = call.ledger.pending(intent["id"])
    if intent["status"] in ("succeeded", "canceled") or (pending and not pending.stoppable):
        raise unexpected_state("cancel", intent)
    intent.update(status="canceled", canceled_at=int(call.now), cancellation_reason=reason, next_action=None)
    call.ledger.save_intent(intent)
    if pending and pending.waiting_key:
        refused = unexpected_state("confirm", intent)
        keys.finish(call.ledger, pending.waiting_key, refused.status, dump(refused.body))
    call.put("payment_intent.canceled", intent)
    return intent


def _named(call: SandboxCall) -> Json:
    return call.need("intents", "payment_intent", call.name, "intent")


def _new_intent(call: SandboxCall, method: str | None) -> Json:
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
        "livemode": is_live(call.owner),
        "metadata": metadata(call.params),
        "next_action": None,
        "payment_method": method,
        "payment_method_types": ["card"],
        "status": "requires_confirmation" if method else "requires_payment_method",
    }


def _money(call: SandboxCall) -> tuple[int, str]:
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
