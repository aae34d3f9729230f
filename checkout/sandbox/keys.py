"""Idempotency keys as Stripe documents them (https://docs.stripe.com/api/idempotent_requests).

The first answer to a key is saved once execution has begun, whatever it was, and is the answer from then on. The same
key with anything else is an error; while the first request is still running it is a conflict.
"""

from hashlib import blake2b

from checkout.sandbox.errors import key_in_use, key_reused
from checkout.sandbox.ledger import Ledger

MAX_KEY_LENGTH = 255


def fingerprint(body: bytes) -> str:
    """What makes a request the same one: its parameters, in any order."""
    return blake2b(b"&".join(sorted(body.split(b"&"))), digest_size=16).hexdigest()


def saved_answer(ledger: Ledger, key: str, endpoint: str, print_: str) -> tuple[int, str] | None:
    """Status and body of the first answer to the key; None when the key is new.

    Raises:
        ApiError: the key belongs to another request, or its first request is still running.
    """
    row = ledger.db.execute("SELECT endpoint, fingerprint, status, body FROM keys WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    if row[0] != endpoint:
        raise key_reused(key, endpoint=row[0])
    if row[1] != print_:
        raise key_reused(key)
    if row[2] is None:
        raise key_in_use(key)
    return row[2], row[3]


def save(ledger: Ledger, key: str, endpoint: str, print_: str, answer: tuple[int | None, str | None]) -> None:
    """Keep the answer to a key; without one, the key stays in use until `finish`."""
    ledger.db.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?)", (key, endpoint, print_, *answer))


def finish(ledger: Ledger, key: str, status: int, body: str) -> None:
    """The request that was running under the key has come to its end."""
    ledger.db.execute("UPDATE keys SET status = ?, body = ? WHERE key = ?", (status, body, key))


def refuse_once_more(ledger: Ledger, key: str, times: int | None) -> bool:
    """Whether a fault that refuses a key ``times`` times (None: until recovery) strikes again; it is counted."""
    row = ledger.db.execute("SELECT count, recovered FROM refusals WHERE key = ?", (key,)).fetchone()
    count, recovered = row or (0, 0)
    if recovered or (times is not None and count >= times):
        return False
    ledger.db.execute("INSERT OR REPLACE INTO refusals (key, count) VALUES (?, ?)", (key, count + 1))
    return True


def recover(ledger: Ledger) -> None:
    """No key that has been refused is refused again."""
    ledger.db.execute("UPDATE refusals SET recovered = 1")
