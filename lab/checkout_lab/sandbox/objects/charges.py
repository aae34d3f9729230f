"""Charges (https://docs.stripe.com/api/charges/object), as far as an intent shows its latest one."""

from typing import Any

from checkout_lab.sandbox.errors import Json
from checkout_lab.sandbox.http.call import SandboxCall
from checkout_lab.sandbox.ledger.ledger import SandboxLedger


def charge_of(ledger: SandboxLedger, intent: Json) -> Json:
    """The latest charge of an intent, with what has been refunded and disputed of it by now."""
    refunded = ledger.refunded(intent["id"])
    taken = intent["status"] == "succeeded"
    return {
        "id": intent["latest_charge"],
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount_received"],
        "amount_refunded": refunded,
        "captured": taken,
        "created": intent["created"],
        "currency": intent["currency"],
        "disputed": bool(chargebacks(ledger, intent)),
        "livemode": intent["livemode"],
        "metadata": intent["metadata"],
        "paid": taken,
        "payment_intent": intent["id"],
        "refunded": taken and refunded >= intent["amount_received"],
        "status": "succeeded" if taken else "failed",
    }


def chargebacks(ledger: SandboxLedger, intent: Json) -> list[Json]:
    """The disputes of an intent in which money was withdrawn; an inquiry is none."""
    disputes = ledger.made_of("disputes", intent["id"])
    return [one for one in disputes if not one["status"].startswith("warning_")]


def expanded(call: SandboxCall, intent: Json, path: str = "latest_charge") -> Json:
    """The intent as asked for: with the whole charge in place of its id, if ``expand`` names the path to it
    (https://docs.stripe.com/api/expanding_objects).
    """
    wanted: Any = call.params.get("expand", {})
    if not isinstance(wanted, dict) or path not in wanted.values() or intent["latest_charge"] is None:
        return intent
    return {**intent, "latest_charge": charge_of(call.ledger, intent)}
