"""The account that a key belongs to (https://docs.stripe.com/api/accounts/retrieve)."""

from hashlib import blake2b

from checkout.sandbox.call import Call
from checkout.sandbox.errors import Json
from checkout.sandbox.form import only
from checkout.sandbox.owner import account_of


def retrieve(call: Call) -> Json:
    """GET /v1/account. The id is the same for as long as the ledger is, and in both modes."""
    only(call.params, frozenset({"expand"}))
    name = f"{call.ledger.note('ledger')} {account_of(call.owner)}"
    return {
        "id": f"acct_{blake2b(name.encode(), digest_size=8).hexdigest()}",
        "object": "account",
        "charges_enabled": call.faults.account != "cannot_charge",
    }
