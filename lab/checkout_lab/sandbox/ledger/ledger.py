"""The provider's books: one SQLite file that holds intents, refunds, disputes, saved responses and events.

An effect and the response saved for its idempotency key are written in one transaction. In WAL mode with
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

from checkout_lab.sandbox.errors import Json
from checkout_lab.sandbox.ledger.schema import prepare

Table = Literal["intents", "refunds", "disputes", "warnings", "events"]
#: What is made of an intent, and belongs to whom the intent belongs to.
Made = Literal["refunds", "disputes", "warnings"]


@dataclass
class Pending:
    """An intent that settles by itself at ``due`` (Unix seconds), and the key whose response waits for it."""

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


class SandboxLedger:
    """The open file. One process has it at a time; a second one is refused.

    ``delivers_events`` says whether there is an address that events go to; they are kept in any case.

    Raises:
        sqlite3.Error: the file cannot be opened, is in use, or is no ledger.
    """

    def __init__(self, path: Path, *, delivers_events: bool = False) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, timeout=1)
        self.delivers_events = delivers_events
        # Two providers on one ledger would each believe in their own keys in flight.
        self.db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        prepare(self.db)

    def close(self) -> None:
        """Close the file."""
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

    def note(self, name: str) -> str | None:
        """Read a fact about the ledger itself; None when there is none."""
        row = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_note(self, name: str, value: str) -> None:
        """Write a fact about the ledger itself."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def get(self, table: Table, name: str, owner: str | None = None) -> Json | None:
        """One object by its id, of this owner or of whomever."""
        row = self.db.execute(
            f"SELECT body FROM {table} WHERE id = ? AND owner = coalesce(?, owner)",  # noqa: S608 - a Literal
            (name, owner),
        ).fetchone()
        return json.loads(row[0]) if row else None

    def owner_of(self, intent_id: str) -> str:
        """Whose the intent is."""
        owner: str = self.db.execute("SELECT owner FROM intents WHERE id = ?", (intent_id,)).fetchone()[0]
        return owner

    def add_intent(self, intent: Json, visible_from: float, owner: str) -> None:
        """Write a new intent; until ``visible_from`` no list shows it."""
        self.db.execute(
            "INSERT INTO intents (id, created, body, visible_from, owner) VALUES (?, ?, ?, ?, ?)",
            (intent["id"], intent["created"], dump(intent), visible_from, owner),
        )

    def save_intent(self, intent: Json, pending: Pending | None = None) -> None:
        """Write an intent's new state, and when it will change by itself."""
        wait = (pending.due, pending.stoppable, pending.waiting_key) if pending else (None, False, None)
        self.db.execute(
            "UPDATE intents SET body = ?, due = ?, stoppable = ?, waiting_key = ? WHERE id = ?",
            (dump(intent), *wait, intent["id"]),
        )

    def add(self, table: Made, made: Json) -> None:
        """Write what was made of an intent."""
        self.db.execute(
            f"INSERT INTO {table} (id, created, payment_intent, body, owner) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            (
                made["id"],
                made["created"],
                made["payment_intent"],
                dump(made),
                self.owner_of(made["payment_intent"]),
            ),
        )

    def save(self, table: Made, made: Json) -> None:
        """Write the new state of what was made of an intent."""
        self.db.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (dump(made), made["id"]))  # noqa: S608

    def made_of(self, table: Made, intent_id: str) -> list[Json]:
        """What was made of an intent so far, oldest first."""
        rows = self.db.execute(
            f"SELECT body FROM {table} WHERE payment_intent = ? ORDER BY seq",  # noqa: S608 - a Literal
            (intent_id,),
        )
        return [json.loads(body) for (body,) in rows]

    def refunded(self, intent_id: str) -> int:
        """The sum of an intent's refunds, in Stripe's units: those that are under way as well, and none that failed."""
        refunds = self.made_of("refunds", intent_id)
        return sum(one["amount"] for one in refunds if one["status"] not in ("failed", "canceled"))

    def turn_refund(self, refund_id: str, due: float | None, becomes: str | None) -> None:
        """Have a refund's status change by itself at ``due``, or not at all."""
        self.db.execute("UPDATE refunds SET due = ?, becomes = ? WHERE id = ?", (due, becomes, refund_id))

    def pending(self, intent_id: str) -> Pending | None:
        """What an intent waits for, if anything."""
        return next(self._pending("id = ?", intent_id), None)

    def due(self, now: float) -> list[Pending]:
        """The intents whose time has come."""
        return list(self._pending("due <= ?", now))

    def due_refunds(self, now: float) -> list[tuple[Json, str]]:
        """The refunds whose time has come, and what each becomes."""
        rows = self.db.execute("SELECT body, becomes FROM refunds WHERE due IS NOT NULL AND due <= ?", (now,))
        return [(json.loads(body), becomes) for body, becomes in rows]

    def next_due(self) -> float | None:
        """When the next intent or refund changes by itself, in Unix seconds."""
        when: float | None = self.db.execute(
            "SELECT min(due) FROM (SELECT min(due) AS due FROM intents WHERE due IS NOT NULL "
            "UNION ALL SELECT min(due) FROM refunds WHERE due IS NOT NULL)"
        ).fetchone()[0]
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
        seen = "visible_from <= ?" if table == "intents" else "? IS NOT NULL"
        rows = self.db.execute(f"SELECT body FROM {table} WHERE {seen} ORDER BY seq", (now,))  # noqa: S608
        return [body for (body,) in rows]
