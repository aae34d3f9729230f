"""Refunds (https://docs.stripe.com/api/refunds): create and retrieve."""

from checkout_lab.sandbox.errors import ApiError, Json
from checkout_lab.sandbox.http.call import SandboxCall
from checkout_lab.sandbox.http.form import integer, metadata, only, required, string
from checkout_lab.sandbox.ledger.ledger import new_id
from checkout_lab.sandbox.objects.cards import RefundBehaviour
from checkout_lab.sandbox.objects.charges import charge_of, chargebacks
from checkout_lab.sandbox.objects.confirming import card_of

_CREATE = frozenset("payment_intent amount reason metadata expand".split())
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_TURNS_AFTER_SECONDS = 2


def create(call: SandboxCall) -> Json:
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
    return give_back(call, call.need("intents", "payment_intent", name, "intent"), asked, reason, pairs)


def retrieve(call: SandboxCall) -> Json:
    """GET /v1/refunds/{id}."""
    only(call.params, frozenset({"expand"}))
    return call.need("refunds", "refund", call.name, "id")


def give_back(call: SandboxCall, intent: Json, asked: int | None, reason: str | None, pairs: Json) -> Json:
    """Refund so much of an intent, or all that is left of it, by whomever.

    Raises:
        ApiError: it was not taken, is disputed, or more than is left; or the balance does not cover it.
    """
    amount = _amount(call, intent, asked)
    ways = card_of(intent["payment_method"]).refunds
    if ways is RefundBehaviour.REFUSED and not call.faults.recovered:
        message = "Insufficient funds in your Stripe balance to refund this amount."
        raise ApiError(400, message, code="balance_insufficient", saved=True)
    status, becomes = _course(call, intent, ways)
    refund = _new_refund(call, intent, amount, reason, pairs) | {"status": status}
    if status == "pending":
        refund["pending_reason"] = "processing"
    call.ledger.add("refunds", refund)
    if becomes:
        call.ledger.turn_refund(refund["id"], call.now + _TURNS_AFTER_SECONDS, becomes)
    call.put("refund.created", refund)
    call.put("charge.refunded", charge_of(call.ledger, intent))
    return refund


def _amount(call: SandboxCall, intent: Json, asked: int | None) -> int:
    if intent["status"] != "succeeded":
        raise ApiError(
            400, f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", saved=True
        )
    charge = intent["latest_charge"]
    if any(dispute["status"] != "won" for dispute in chargebacks(call.ledger, intent)):
        message = f"Charge {charge} has been charged back; cannot issue a refund."
        raise ApiError(400, message, code="charge_disputed", saved=True)
    left: int = intent["amount_received"] - call.ledger.refunded(intent["id"])
    if left == 0:
        message = f"Charge {charge} has already been refunded."
        raise ApiError(400, message, code="charge_already_refunded", saved=True)
    if asked is not None and asked > left:
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({left})"
        raise ApiError(400, message, param="amount", saved=True)
    return left if asked is None else asked


def _course(call: SandboxCall, intent: Json, ways: RefundBehaviour) -> tuple[str, str | None]:
    """What a refund is at first, and what it becomes by itself."""
    if ways is RefundBehaviour.PEND:
        return "pending", "succeeded"
    if ways is RefundBehaviour.FAIL_FIRST and not call.ledger.made_of("refunds", intent["id"]):
        return "succeeded", "failed"
    return "succeeded", None


def _new_refund(call: SandboxCall, intent: Json, amount: int, reason: str | None, pairs: Json) -> Json:
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
    }
