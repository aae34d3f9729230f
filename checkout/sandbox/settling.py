"""How an intent gets to its next status, at once or when its time has come."""

from checkout.sandbox import keys
from checkout.sandbox.errors import Json
from checkout.sandbox.ledger import Ledger, dump, new_id


def succeed(ledger: Ledger, intent: Json, now: float) -> None:
    """The money is taken."""
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=new_id("ch"),
        last_payment_error=None,
        next_action=None,
    )
    ledger.save_intent(intent)
    ledger.emit("payment_intent.succeeded", intent, now)


def decline(ledger: Ledger, intent: Json, code: str, decline_code: str | None, message: str, now: float) -> None:
    """The money is not taken; another payment method may be tried."""
    intent.update(status="requires_payment_method", latest_charge=new_id("ch"), next_action=None)
    intent["last_payment_error"] = {
        "charge": intent["latest_charge"],
        "code": code,
        "decline_code": decline_code,
        "doc_url": f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}",
        "message": message,
        "payment_method": {"id": intent["payment_method"], "object": "payment_method", "type": "card"},
        "type": "card_error",
    }
    intent["payment_method"] = None
    ledger.save_intent(intent)
    ledger.emit("payment_intent.payment_failed", intent, now)


def require_action(ledger: Ledger, intent: Json, page: str, return_url: str | None, now: float) -> None:
    """A person must prove on ``page`` who they are, and comes back to ``return_url`` if there is one."""
    redirect = {"return_url": return_url, "url": page}
    intent.update(status="requires_action", next_action={"type": "redirect_to_url", "redirect_to_url": redirect})
    ledger.save_intent(intent)
    ledger.emit("payment_intent.requires_action", intent, now)


def settle(ledger: Ledger, now: float) -> None:
    """Let every charge land whose time has come; a request that was waiting for it gets its answer saved."""
    for pending in ledger.due(now):
        succeed(ledger, pending.intent, now)
        if pending.waiting_key:
            keys.finish(ledger, pending.waiting_key, 200, dump(pending.intent))
