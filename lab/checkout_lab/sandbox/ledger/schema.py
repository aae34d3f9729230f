"""The tables of the provider's books, and how a file of an older release gets them."""

import secrets
import sqlite3
import time

from checkout_lab.sandbox.ledger.owner import OWN_TEST

_TABLES = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, body TEXT NOT NULL,
    visible_from REAL NOT NULL DEFAULT 0, due REAL, stoppable INTEGER NOT NULL DEFAULT 0, waiting_key TEXT,
    owner TEXT NOT NULL DEFAULT '{OWN_TEST}');
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, body TEXT NOT NULL,
    visible_from REAL NOT NULL DEFAULT 0, payment_intent TEXT NOT NULL, owner TEXT NOT NULL DEFAULT '{OWN_TEST}',
    due REAL, becomes TEXT);
CREATE TABLE IF NOT EXISTS disputes (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, body TEXT NOT NULL,
    payment_intent TEXT NOT NULL, owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS warnings (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, body TEXT NOT NULL,
    payment_intent TEXT NOT NULL, owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, endpoint TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER, body TEXT,
    created REAL NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (
    key TEXT PRIMARY KEY, count INTEGER NOT NULL, recovered INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL, delivered REAL, type TEXT NOT NULL DEFAULT '', created INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '{OWN_TEST}');
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS intents_created ON intents (created);
CREATE INDEX IF NOT EXISTS intents_due ON intents (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS refunds_intent ON refunds (payment_intent);
CREATE INDEX IF NOT EXISTS refunds_due ON refunds (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS disputes_intent ON disputes (payment_intent);
CREATE INDEX IF NOT EXISTS events_waiting ON events (next_try) WHERE delivered IS NULL;
CREATE INDEX IF NOT EXISTS events_created ON events (created);
"""
_OWNER = f"owner TEXT NOT NULL DEFAULT '{OWN_TEST}'"
_ADDED = {
    "intents": (_OWNER,),
    "refunds": (_OWNER, "due REAL", "becomes TEXT"),
    # A key whose age is not known is taken for new, so that none is forgotten too early.
    "keys": ("created REAL NOT NULL DEFAULT {now}",),
    "events": (_OWNER, "type TEXT NOT NULL DEFAULT ''", "created INTEGER NOT NULL DEFAULT 0"),
}


def prepare(db: sqlite3.Connection) -> None:
    """Make what is missing in an open file; safe to run each time.

    Raises:
        sqlite3.Error: the file is no ledger.
    """
    db.executescript(_TABLES)
    for table, columns in _ADDED.items():
        there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column in columns:
            if column.split()[0] not in there:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column.format(now=time.time())}")
    db.execute(
        "UPDATE events SET type = json_extract(body, '$.type'), created = json_extract(body, '$.created') "
        "WHERE created = 0"
    )
    db.executescript(_INDEXES)
    db.execute("INSERT OR IGNORE INTO meta VALUES ('ledger', ?)", (secrets.token_hex(8),))
