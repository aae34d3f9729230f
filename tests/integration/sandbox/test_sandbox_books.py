"""The sandbox provider's books: events are kept and found, keys are forgotten in time, files of old releases open."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.sandbox_calls import create, listed, new_key, paid, post, told_of
from tests.support.sandbox_server import SandboxServer, sandbox_server

LEDGER = "sandbox-ledger.sqlite"
_OLD_SCHEMA = """
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, body TEXT NOT NULL,
    visible_from REAL NOT NULL DEFAULT 0, due REAL, stoppable INTEGER NOT NULL DEFAULT 0, waiting_key TEXT);
CREATE TABLE refunds (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, body TEXT NOT NULL,
    visible_from REAL NOT NULL DEFAULT 0, payment_intent TEXT NOT NULL);
CREATE TABLE keys (
    key TEXT PRIMARY KEY, endpoint TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER, body TEXT) WITHOUT ROWID;
CREATE TABLE refusals (
    key TEXT PRIMARY KEY, count INTEGER NOT NULL, recovered INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL, delivered REAL);
INSERT INTO intents SELECT seq, id, created, body, visible_from, due, stoppable, waiting_key FROM new.intents;
INSERT INTO refunds SELECT seq, id, created, body, visible_from, payment_intent FROM new.refunds;
INSERT INTO keys SELECT key, endpoint, fingerprint, status, body FROM new.keys;
INSERT INTO events SELECT seq, id, body, tries, next_try, delivered FROM new.events;
"""


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path) as server:
        yield server


@pytest.fixture
def http(sandbox: SandboxServer) -> httpx.AsyncClient:
    return sandbox.http


def alter(path: Path, statement: str) -> None:
    """Change the file of a provider that is not running."""
    ledger = sqlite3.connect(path, isolation_level=None)
    ledger.execute(statement)
    ledger.close()


def make_old(path: Path) -> None:
    """Turn the file into one without accounts and disputes."""
    new = path.rename(path.with_suffix(".new"))
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("ATTACH ? AS new", (str(new),))
    old.executescript(_OLD_SCHEMA)
    old.close()


async def test_a_key_is_remembered_for_a_day(sandbox: SandboxServer, http: httpx.AsyncClient, tmp_path: Path) -> None:
    key, declined = new_key(), {"payment_method": "pm_card_visa_chargeDeclined"}
    first = await create(http, key, **declined)
    for age, is_replay in ((86_000, True), (500, False)):
        await sandbox.stop()
        alter(tmp_path / LEDGER, f"UPDATE keys SET created = created - {age}")
        await sandbox.start()
        again = await create(http, key, **declined)
        assert (again.headers.get("idempotent-replayed") == "true") is is_replay
        assert (again.content == first.content) is is_replay
    assert (await create(http, key, **declined)).headers["idempotent-replayed"] == "true"


async def test_a_forgotten_key_may_be_used_for_something_else(
    sandbox: SandboxServer, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    key = new_key()
    intent = (await create(http, key)).json()["id"]
    await sandbox.stop()
    alter(tmp_path / LEDGER, "UPDATE keys SET created = created - 86400")
    await sandbox.start()
    assert (await post(http, "refunds", key, payment_intent=intent)).status_code == 200


async def test_the_file_of_an_older_release_still_opens(
    sandbox: SandboxServer, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    key = new_key()
    first = await create(http, key)
    intent = first.json()["id"]
    refund = (await post(http, "refunds", payment_intent=intent, amount=1)).json()
    told = await told_of(http, intent)
    await sandbox.stop()
    make_old(tmp_path / LEDGER)
    await sandbox.start()
    assert (await create(http, key)).content == first.content
    assert (await http.get(f"/v1/payment_intents/{intent}")).json() == first.json()
    assert await listed(http, "refunds", payment_intent=intent) == [refund]
    assert await told_of(http, intent) == told
    await sandbox.kill_and_restart()
    assert (await post(http, "refunds", payment_intent=intent)).json()["amount"] == 2579


async def test_events_are_kept_where_nobody_listens(sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
    intent = await paid(http)
    await sandbox.kill_and_restart()
    event = (await listed(http, "events"))[0]
    assert (event["type"], event["data"]["object"]["id"]) == ("payment_intent.succeeded", intent)
    assert event["pending_webhooks"] == 0
    assert (await http.get(f"/v1/events/{event['id']}")).json() == event
    assert (await http.get("/sandbox/traffic")).json()["events_waiting"] == 0


async def test_events_are_found_by_type_and_time_from_the_newest(http: httpx.AsyncClient) -> None:
    intent = await paid(http)
    await post(http, "refunds", payment_intent=intent)

    async def types(**filters: Any) -> list[str]:
        return [event["type"] for event in await listed(http, "events", **filters)]

    everything = ["charge.refunded", "refund.created", "payment_intent.succeeded"]
    assert await types() == everything
    assert await types(type="refund.created") == ["refund.created"]
    assert await types(type="charge.*") == ["charge.refunded"]
    assert await types(**{"types[0]": "charge.refunded", "types[1]": "payment_intent.succeeded"}) == everything[::2]
    assert await types(delivery_success="false") == []
    newest = (await listed(http, "events", limit=1))[0]
    assert await types(**{"created[gt]": newest["created"]}) == []
    assert await types(**{"created[lte]": newest["created"]}) == everything
    assert await types(starting_after=newest["id"]) == everything[1:]
    oldest = (await listed(http, "events"))[-1]
    assert await types(ending_before=oldest["id"], limit=1) == everything[1:2]


@pytest.mark.parametrize(
    "params",
    [{"type": "a", "types[0]": "b"}, {"types": "a"}, {"delivery_success": "maybe"}, {"ending_before": "evt_1"}],
)
async def test_a_bad_question_for_events_is_a_400(http: httpx.AsyncClient, params: dict[str, str]) -> None:
    assert (await http.get("/v1/events", params=params)).status_code == 400
