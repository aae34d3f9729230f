"""The provider's books: one SQLite file that holds intents, refunds, saved answers and undelivered events.

An effect and the answer saved for its idempotency key are written in one transaction. In WAL mode with
``synchronous=NORMAL`` a commit survives the death of the process (https://www.sqlite.org/pragma.html#pragma_synchronous),
which is the death that a sandbox has to survive.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from checkout.sandbox.errors import Json

Table = Literal["intents", "refunds"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS intents (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, body TEXT NOT NULL,
    visible_from REAL NOT NULL DEFAULT 0, due REAL, stoppable INTEGER NOT NULL DEFAULT 0, waiting_key TEXT);
CREATE INDEX IF NOT EXISTS intents_created ON intents (created);
CREATE INDEX IF NOT EXISTS intents_due ON intents (due) WHERE due IS NOT NULL;
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, body TEXT NOT NULL,
    visible_from REAL NOT NULL DEFAULT 0, payment_intent TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS refunds_intent ON refunds (payment_intent);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, endpoint TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER, body TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (
    key TEXT PRIMARY KEY, count INTEGER NOT NULL, recovered INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL, delivered REAL);
CREATE INDEX IF NOT EXISTS events_waiting ON events (next_try) WHERE delivered IS NULL;
"""


@dataclass
class Pending:
    """An intent that settles by itself at ``due`` (Unix seconds), and the key whose answer waits for it."""

    intent: Json
    due: float
    stoppable: bool
    waiting_key: str | None


def dump(value: Any) -> str:
    """JSON as it is stored and sent."""
    return json.dumps(value, separators=(",", ":"))


def new_id(prefix: str) -> str:
    """An id in Stripe's manner: ``pi_`` and 24 characters that nobody can guess."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Ledger:
    """The open file. One process has it at a time; a second one is refused.

    Raises:
        sqlite3.Error: the file cannot be opened, is in use, or is no ledger.
    """

    def __init__(self, path: Path, *, keeps_events: bool = False) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, timeout=1)
        self.keeps_events = keeps_events
        # Two providers on one ledger would each believe in their own keys in flight.
        self.db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. There is no await inside, so requests do not interleave."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def get(self, table: Table, name: str) -> Json | None:
        """One intent or refund by its id."""
        row = self.db.execute(f"SELECT body FROM {table} WHERE id = ?", (name,)).fetchone()  # noqa: S608 - a Literal
        return json.loads(row[0]) if row else None

    def add_intent(self, intent: Json, visible_from: float) -> None:
        """Write a new intent; until ``visible_from`` no list shows it."""
        self.db.execute(
            "INSERT INTO intents (id, created, body, visible_from) VALUES (?, ?, ?, ?)",
            (intent["id"], intent["created"], dump(intent), visible_from),
        )

    def save_intent(self, intent: Json, pending: Pending | None = None) -> None:
        """Write an intent's new state, and when it will change by itself."""
        wait = (pending.due, pending.stoppable, pending.waiting_key) if pending else (None, False, None)
        self.db.execute(
            "UPDATE intents SET body = ?, due = ?, stoppable = ?, waiting_key = ? WHERE id = ?",
            (dump(intent), *wait, intent["id"]),
        )

    def add_refund(self, refund: Json) -> None:
        """Write a new refund."""
        self.db.execute(
            "INSERT INTO refunds (id, created, payment_intent, body) VALUES (?, ?, ?, ?)",
            (refund["id"], refund["created"], refund["payment_intent"], dump(refund)),
        )

    def refunded(self, intent_id: str) -> int:
        """The sum of an intent's refunds, in Stripe's units."""
        rows = self.db.execute("SELECT body FROM refunds WHERE payment_intent = ?", (intent_id,))
        return sum(json.loads(body)["amount"] for (body,) in rows)

    def pending(self, intent_id: str) -> Pending | None:
        """What an intent waits for, if anything."""
        return next(self._pending("id = ?", intent_id), None)

    def due(self, now: float) -> list[Pending]:
        """The intents whose time has come."""
        return list(self._pending("due <= ?", now))

    def next_due(self) -> float | None:
        """When the next intent settles, in Unix seconds."""
        when: float | None = self.db.execute("SELECT min(due) FROM intents WHERE due IS NOT NULL").fetchone()[0]
        return when

    def _pending(self, condition: str, value: object) -> Iterator[Pending]:
        rows = self.db.execute(
            f"SELECT body, due, stoppable, waiting_key FROM intents WHERE due IS NOT NULL AND {condition}",  # noqa: S608
            (value,),
        )
        for body, due, stoppable, key in rows:
            yield Pending(json.loads(body), due, bool(stoppable), key)

    def all_bodies(self, table: Table, now: float) -> list[str]:
        """Every object as JSON text, oldest first."""
        rows = self.db.execute(f"SELECT body FROM {table} WHERE visible_from <= ? ORDER BY seq", (now,))  # noqa: S608
        return [body for (body,) in rows]

    def undelivered(self) -> int:
        """How many events nobody has taken yet."""
        count: int = self.db.execute("SELECT count(*) FROM events WHERE delivered IS NULL").fetchone()[0]
        return count

    def emit(self, kind: str, data: Json, now: float) -> None:
        """Put an event into the outbox, in the transaction of what it tells."""
        if not self.keeps_events:
            return
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(now),
            "data": {"object": data},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self.db.execute("INSERT INTO events (id, body, next_try) VALUES (?, ?, ?)", (event["id"], dump(event), now))
