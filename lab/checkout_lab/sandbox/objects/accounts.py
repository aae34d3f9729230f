"""The account that a key belongs to (https://docs.stripe.com/api/accounts/retrieve)."""

from hashlib import blake2b

from checkout_lab.sandbox.errors import Json
from checkout_lab.sandbox.http.call import SandboxCall
from checkout_lab.sandbox.http.form import only
from checkout_lab.sandbox.ledger.owner import account_of


def retrieve(call: SandboxCall) -> Json:
    """GET /v1/account. The id is the same for as long as the ledger is, and in both modes."""
    only(call.params, frozenset({"expand"}))
    name = f"{call.ledger.note('ledger')} {account_of(call.owner)}"
    return {
        "id": f"acct_{blake2b(name.encode(), digest_size=8).hexdigest()}",
        "object": "account",
        "charges_enabled": call.faults.account != "cannot_charge",
    }
