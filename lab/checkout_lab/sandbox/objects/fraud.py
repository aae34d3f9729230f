"""Early fraud warnings (https://docs.stripe.com/api/radar/early_fraud_warnings): a card's bank says that a charge may
be a fraud, before anybody disputes it.
"""

from checkout_lab.sandbox.errors import ApiError, Json
from checkout_lab.sandbox.http.call import SandboxCall
from checkout_lab.sandbox.ledger.ledger import new_id


def warn(call: SandboxCall, intent: Json) -> Json:
    """The bank warns of a charge.

    Raises:
        ApiError: nothing was charged.
    """
    if intent["status"] != "succeeded":
        raise ApiError(400, f"{intent['id']} is {intent['status']}: nothing was charged that could be a fraud.")
    warning = {
        "id": new_id("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": True,
        "charge": intent["latest_charge"],
        "created": int(call.now),
        "fraud_type": "made_with_stolen_card",
        "livemode": intent["livemode"],
        "payment_intent": intent["id"],
    }
    call.ledger.add("warnings", warning)
    call.put("radar.early_fraud_warning.created", warning)
    return warning
