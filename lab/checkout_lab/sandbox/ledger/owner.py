"""Whose an object is: an account's, in one of its two modes (https://docs.stripe.com/keys).

The key that makes an object decides, and other accounts' and the other mode's keys never see it. An owner is written as
``account/mode``; the ledger's own account has no name.
"""

import re

OWN_TEST = "/test"

_ACCOUNT = re.compile(r"[sr]k_(?:test|live)_acct([0-9A-Za-z]+)_")
_LIVE = ("sk_live_", "rk_live_")


def owner_of(api_key: str, *, other: bool = False) -> str:
    """Whose key it is; with ``other`` set, another account's than it would be without."""
    match = _ACCOUNT.match(api_key)
    account = (match[1] if match else "") + ("~other" if other else "")
    return f"{account}/{'live' if api_key.startswith(_LIVE) else 'test'}"


def account_of(owner: str) -> str:
    """The account's name; empty for the ledger's own."""
    return owner.rpartition("/")[0]


def is_live(owner: str) -> bool:
    """Whether it is live mode."""
    return owner.endswith("/live")


def other_mode(owner: str) -> str:
    """The same account in its other mode."""
    return f"{account_of(owner)}/{'test' if is_live(owner) else 'live'}"
