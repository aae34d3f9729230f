"""How an intent or a refund gets to its next status, at once or when its time has come."""

from checkout_lab.sandbox.errors import Json
from checkout_lab.sandbox.events.outbox import emit
from checkout_lab.sandbox.http import keys
from checkout_lab.sandbox.ledger.ledger import SandboxLedger, dump, new_id

_FAILED_AUTHENTICATION = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod "
    "to attempt to fulfill this PaymentIntent again."
)


def succeed(ledger: SandboxLedger, intent: Json, now: float) -> None:
    """The money is taken."""
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=new_id("ch"),
        last_payment_error=None,
        next_action=None,
    )
    ledger.save_intent(intent)
    emit(ledger, "payment_intent.succeeded", intent, now)


def decline(ledger: SandboxLedger, intent: Json, decline_code: str, message: str, now: float) -> None:
    """The bank says no: a charge that failed, and another payment method may be tried."""
    intent["latest_charge"] = new_id("ch")
    error = {"charge": intent["latest_charge"], "decline_code": decline_code, "type": "card_error"}
    _not_paid(ledger, intent, "card_declined", message, error, now)


def fail_authentication(ledger: SandboxLedger, intent: Json, now: float) -> None:
    """The bank was never asked for money, so there is no charge of it
    (https://docs.stripe.com/error-codes#payment-intent-authentication-failure).
    """
    error = {"type": "invalid_request_error"}
    _not_paid(ledger, intent, "payment_intent_authentication_failure", _FAILED_AUTHENTICATION, error, now)


def _not_paid(ledger: SandboxLedger, intent: Json, code: str, message: str, error: Json, now: float) -> None:
    intent["last_payment_error"] = {
        "code": code,
        "doc_url": f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}",
        "message": message,
        "payment_method": {"id": intent["payment_method"], "object": "payment_method", "type": "card"},
        **error,
    }
    intent.update(status="requires_payment_method", payment_method=None, next_action=None)
    ledger.save_intent(intent)
    emit(ledger, "payment_intent.payment_failed", intent, now)


def require_action(ledger: SandboxLedger, intent: Json, page: str, return_url: str | None, now: float) -> None:
    """A person must prove who they are: on ``page``, from where they come back to ``return_url``.

    Without a ``return_url`` there is no page to send anybody to, only what Stripe's own library understands
    (https://docs.stripe.com/payments/3d-secure/authentication-flow).
    """
    redirect = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}
    library = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "stripe_3ds2_fingerprint", "source": new_id("src")}}
    intent.update(status="requires_action", next_action=redirect if return_url else library)
    ledger.save_intent(intent)
    emit(ledger, "payment_intent.requires_action", intent, now)


def settle(ledger: SandboxLedger, now: float) -> None:
    """Let every charge land and every refund turn whose time has come; a request that was waiting for a charge gets
    its response saved.
    """
    for pending in ledger.due(now):
        succeed(ledger, pending.intent, now)
        if pending.waiting_key:
            keys.finish(ledger, pending.waiting_key, 200, dump(pending.intent))
    for refund, becomes in ledger.due_refunds(now):
        _turn(ledger, refund, becomes, now)


def _turn(ledger: SandboxLedger, refund: Json, becomes: str, now: float) -> None:
    """A refund is done, or its money came back (https://docs.stripe.com/refunds#failed-refunds)."""
    refund["status"] = becomes
    refund.pop("pending_reason", None)
    if becomes == "failed":
        refund.update(failure_reason="expired_or_canceled_card", failure_balance_transaction=new_id("txn"))
    ledger.save("refunds", refund)
    ledger.turn_refund(refund["id"], None, None)
    if becomes == "failed":
        emit(ledger, "refund.failed", refund, now)
    emit(ledger, "refund.updated", refund, now)
    emit(ledger, "charge.refund.updated", refund, now)
