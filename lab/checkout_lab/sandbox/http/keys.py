"""Idempotency keys as Stripe documents them (https://docs.stripe.com/api/idempotent_requests).

The first response to a key is saved once execution has begun, whatever it was, and is repeated for 24 hours; then the
key is forgotten. The same key with anything else is an error; while the first request is still running it is a
conflict. Each account has keys of its own.
"""

from hashlib import blake2b

from checkout_lab.sandbox.errors import key_in_use, key_reused
from checkout_lab.sandbox.ledger.ledger import SandboxLedger
from checkout_lab.sandbox.ledger.owner import OWN_TEST

MAX_KEY_LENGTH = 255
_LIFE_SECONDS = 86_400
# No header can contain it, so nobody can name another's key.
_BETWEEN = "\n"


def own(key: str | None, owner: str) -> str | None:
    """The key as it is kept: apart from the same one of another owner."""
    return key if key is None or owner == OWN_TEST else f"{owner}{_BETWEEN}{key}"


def as_sent(key: str) -> str:
    """The key as its owner knows it."""
    return key.rpartition(_BETWEEN)[2]


def fingerprint(body: bytes) -> str:
    """What makes a request the same one: its parameters, in any order."""
    return blake2b(b"&".join(sorted(body.split(b"&"))), digest_size=16).hexdigest()


def saved_response(ledger: SandboxLedger, key: str, endpoint: str, print_: str, now: float) -> tuple[int, str] | None:
    """Status and body of the first response to the key; None when the key is new, or forgotten.

    Raises:
        ApiError: the key belongs to another request, or its first request is still running.
    """
    row = ledger.db.execute(
        "SELECT endpoint, fingerprint, status, body, created FROM keys WHERE key = ?", (key,)
    ).fetchone()
    if row is None or row[4] + _LIFE_SECONDS <= now:
        return None
    if row[0] != endpoint:
        raise key_reused(as_sent(key), endpoint=row[0])
    if row[1] != print_:
        raise key_reused(as_sent(key))
    if row[2] is None:
        raise key_in_use(as_sent(key))
    return row[2], row[3]


def save(
    ledger: SandboxLedger, key: str, endpoint: str, print_: str, response: tuple[int | None, str | None], now: float
) -> None:
    """Keep the response to a key; without one, the key stays in use until `finish`."""
    ledger.db.execute(
        "INSERT OR REPLACE INTO keys (key, endpoint, fingerprint, status, body, created) VALUES (?, ?, ?, ?, ?, ?)",
        (key, endpoint, print_, *response, now),
    )


def finish(ledger: SandboxLedger, key: str, status: int, body: str) -> None:
    """The request that was running under the key has come to its end."""
    ledger.db.execute("UPDATE keys SET status = ?, body = ? WHERE key = ?", (status, body, key))


def refuse_once_more(ledger: SandboxLedger, key: str, times: int) -> bool:
    """Whether a fault that refuses a key ``times`` times strikes again; it is counted."""
    row = ledger.db.execute("SELECT count FROM refusals WHERE key = ?", (key,)).fetchone()
    count = row[0] if row else 0
    if count >= times:
        return False
    ledger.db.execute("INSERT OR REPLACE INTO refusals (key, count) VALUES (?, ?)", (key, count + 1))
    return True
