"""Events (https://docs.stripe.com/api/events): written with what they tell, kept, and taken to whoever listens."""

from checkout_lab.sandbox.errors import Json
from checkout_lab.sandbox.ledger.ledger import SandboxLedger, dump, new_id
from checkout_lab.sandbox.ledger.owner import is_live

_API_VERSION = "2026-10-28.endive"


def emit(ledger: SandboxLedger, kind: str, data: Json, now: float) -> None:
    """Write an event, in the transaction of what it tells. It belongs to whom its intent belongs to.

    Only a platform's events have an ``account`` (https://docs.stripe.com/connect/webhooks), so these have none.
    """
    owner = ledger.owner_of(data.get("payment_intent") or data["id"])
    event = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": _API_VERSION,
        "created": int(now),
        "data": {"object": data},
        "livemode": is_live(owner),
        "pending_webhooks": int(ledger.delivers_events),
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
    ledger.db.execute(
        "INSERT INTO events (id, body, next_try, delivered, type, created, owner) VALUES (?, ?, ?, ?, ?, ?, ?)",
        # Where nobody listens there is nothing to deliver, neither now nor when somebody does.
        (event["id"], dump(event), now, None if ledger.delivers_events else now, kind, int(now), owner),
    )


def undelivered(ledger: SandboxLedger) -> int:
    """How many events nobody has taken yet."""
    count: int = ledger.db.execute("SELECT count(*) FROM events WHERE delivered IS NULL").fetchone()[0]
    return count
