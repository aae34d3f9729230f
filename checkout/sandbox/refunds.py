"""Refunds (https://docs.stripe.com/api/refunds): create and retrieve."""

from checkout.sandbox.call import Call
from checkout.sandbox.charges import charge_of
from checkout.sandbox.errors import ApiError, Json, no_such
from checkout.sandbox.form import integer, metadata, only, required, string
from checkout.sandbox.ledger import new_id

_CREATE = frozenset("payment_intent amount reason metadata expand".split())
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create(call: Call) -> Json:
    """POST /v1/refunds: all that is left of a captured intent, or a part of it."""
    only(call.params, _CREATE)
    name = required(call.params, "payment_intent")
    asked = integer(call.params, "amount")
    reason = string(call.params, "reason")
    if reason is not None and reason not in _REASONS:
        raise ApiError(400, f"Invalid reason: must be one of {', '.join(_REASONS)}", param="reason")
    pairs = metadata(call.params)
    if asked is not None and asked < 1:
        raise ApiError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    intent = call.ledger.get("intents", name)
    if intent is None:
        raise no_such("payment_intent", name, "payment_intent")
    refund = _new_refund(call, intent, _amount(call, intent, asked), reason, pairs)
    call.ledger.add_refund(refund)
    call.put("refund.updated", refund)
    call.put("charge.refunded", charge_of(call.ledger, intent))
    return refund


def retrieve(call: Call) -> Json:
    """GET /v1/refunds/{id}."""
    only(call.params, frozenset({"expand"}))
    refund = call.ledger.get("refunds", call.name)
    if refund is None:
        raise no_such("refund", call.name, "id", 404)
    return refund


def _amount(call: Call, intent: Json, asked: int | None) -> int:
    if intent["status"] != "succeeded":
        raise ApiError(
            400, f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", saved=True
        )
    left: int = intent["amount_received"] - call.ledger.refunded(intent["id"])
    if left == 0:
        message = f"Charge {intent['latest_charge']} has already been refunded."
        raise ApiError(400, message, code="charge_already_refunded", saved=True)
    if asked is not None and asked > left:
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({left})"
        raise ApiError(400, message, param="amount", saved=True)
    return left if asked is None else asked


def _new_refund(call: Call, intent: Json, amount: int, reason: str | None, pairs: Json) -> Json:
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": intent["latest_charge"],
        "created": int(call.now),
        "currency": intent["currency"],
        "metadata": pairs,
        "payment_intent": intent["id"],
        "reason": reason,
        "status": "succeeded",
    }
