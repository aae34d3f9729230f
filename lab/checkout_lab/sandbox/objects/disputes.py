"""Disputes (https://docs.stripe.com/api/disputes): what a bank takes back, or only asks about, which is an inquiry
(https://docs.stripe.com/disputes/how-disputes-work).
"""

from checkout_lab.sandbox.errors import ApiError, Json
from checkout_lab.sandbox.http.call import SandboxCall
from checkout_lab.sandbox.http.form import only
from checkout_lab.sandbox.ledger.ledger import new_id
from checkout_lab.sandbox.objects.charges import chargebacks

# https://docs.stripe.com/api/disputes/object#dispute_object-reason
REASONS = (
    "bank_cannot_process check_returned credit_not_processed customer_initiated debit_not_authorized duplicate "
    "fraudulent general incorrect_account_details insufficient_funds noncompliant product_not_received "
    "product_unacceptable subscription_canceled unrecognized"
).split()
_OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
_DAY_SECONDS = 86_400
_DAYS_TO_RESPOND = 8
# What Stripe asks for a dispute, whoever wins it (https://stripe.com/pricing); an inquiry costs nothing.
_FEE = 1500


def retrieve(call: SandboxCall) -> Json:
    """GET /v1/disputes/{id}."""
    only(call.params, frozenset({"expand"}))
    return call.need("disputes", "dispute", call.name, "dispute")


def begin(call: SandboxCall, intent: Json, amount: int | None, reason: str, *, inquiry: bool) -> Json:
    """The bank disputes a charge, and takes the money at once; or it inquires, and takes none.

    Raises:
        ApiError: nothing was taken, more is disputed than was, or the charge is disputed already.
    """
    left = _disputable(call, intent)
    amount = left if amount is None else amount
    if not 1 <= amount <= intent["amount_received"]:
        raise ApiError(400, f"Between 1 and {intent['amount_received']} can be disputed.", param="amount")
    dispute = _new_dispute(call, intent, amount, reason, inquiry=inquiry)
    call.ledger.add("disputes", dispute)
    call.put("charge.dispute.created", dispute)
    if not inquiry:
        call.put("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close(call: SandboxCall, dispute: Json, status: str) -> Json:
    """The bank has decided. An inquiry is only closed, since no money was taken.

    Raises:
        ApiError: it is closed already.
    """
    if dispute["status"] not in _OPEN:
        raise ApiError(400, "This dispute is already closed")
    inquiry = dispute["status"].startswith("warning_")
    dispute["status"] = "warning_closed" if inquiry else status
    won = dispute["status"] == "won"
    if won:
        dispute["is_charge_refundable"] = True
        dispute["balance_transactions"].append(_movement(call, dispute, dispute["amount"]))
    call.ledger.save("disputes", dispute)
    if won:
        call.put("charge.dispute.funds_reinstated", dispute)
    call.put("charge.dispute.closed", dispute)
    return dispute


def _disputable(call: SandboxCall, intent: Json) -> int:
    if intent["status"] != "succeeded":
        raise ApiError(400, f"{intent['id']} is {intent['status']}: nothing was taken that could be disputed.")
    if any(one["status"] != "won" for one in chargebacks(call.ledger, intent)):
        raise ApiError(400, f"Charge {intent['latest_charge']} is disputed already.")
    left: int = intent["amount_received"] - call.ledger.refunded(intent["id"])
    return left or intent["amount_received"]


def _new_dispute(call: SandboxCall, intent: Json, amount: int, reason: str, *, inquiry: bool) -> Json:
    last_day = int(call.now) // _DAY_SECONDS + _DAYS_TO_RESPOND
    dispute: Json = {
        "id": new_id("du" if inquiry else "dp"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": intent["latest_charge"],
        "created": int(call.now),
        "currency": intent["currency"],
        "evidence": {},
        "evidence_details": {
            "due_by": (last_day + 1) * _DAY_SECONDS - 1,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": intent["livemode"],
        "metadata": {},
        "payment_intent": intent["id"],
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }
    if not inquiry:
        dispute["balance_transactions"].append(_movement(call, dispute, -amount))
    return dispute


def _movement(call: SandboxCall, dispute: Json, amount: int) -> Json:
    """Money that left or came back (https://docs.stripe.com/api/balance_transactions/object)."""
    fee = _FEE if amount < 0 else 0
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "created": int(call.now),
        "currency": dispute["currency"],
        "fee": fee,
        "net": amount - fee,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "source": dispute["id"],
        "type": "adjustment",
    }
