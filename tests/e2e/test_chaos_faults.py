"""Every fault of a campaign is made in a system of real processes, and the shop is whole again when it is healed."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from checkout.config.settings import DatabaseSettings
from checkout.db.session import create_engine
from checkout_lab.chaos.faults.catalogue import FAULTS, Fault, ForbiddenResponse
from checkout_lab.chaos.proxy.postgres import Moment
from checkout_lab.chaos.system.system import ROLES, WORKERS, System, open_system
from checkout_lab.stack.stack import StackInfo
from tests.support.dev_process import temporary_directory
from tests.support.invariants import violations

pytestmark = pytest.mark.alone

FINAL = {"confirmed", "cancelled", "rejected"}
METHODS = ("pm_card_visa", "pm_sandbox_lost_response", "pm_sandbox_wrong_amount", "pm_sandbox_flaky")
#: How the processes are told to give up soon, so that the test is short.
SETTINGS = {
    "CHECKOUT_PROVIDER_TIMEOUT_SECONDS": "1",
    "CHECKOUT_PAYMENT_STUCK_AFTER_SECONDS": "20",
    "CHECKOUT_RECONCILE_EVERY_SECONDS": "1",
    "CHECKOUT_WORKER_SHUTDOWN_SECONDS": "3",
}
BRIEFLY_SECONDS = 0.3
CUSTOMERS = 3
CROWD = 6


@dataclass
class Customers:
    """A few customers who ask again, with the same key, whatever was refused for now or got lost on the way."""

    http: httpx.AsyncClient
    ends: dict[str, dict[str, Any]] = field(default_factory=dict)
    under_way: list[str] = field(default_factory=list)

    async def buy(self, method: str = "pm_card_visa", sku: str = "MUG", **more: str) -> dict[str, Any]:
        """A checkout that has ended; one that was terminated has the status `failed`."""
        body = {"customer_id": "cus_42", "currency": "EUR", "lines": [{"sku": sku, "quantity": 1}]}
        key = more.pop("key", uuid.uuid4().hex)
        headers = {"Idempotency-Key": key}
        started = await self._insist(
            "POST", "/v1/checkouts", json=body | {"payment_method": method, **more}, headers=headers
        )
        self.under_way.append(started["id"])
        view = started
        while view["status"] not in FINAL | {"failed"}:
            view = await self._insist("GET", f"/v1/checkouts/{started['id']}", headers={"Prefer": "wait=5"})
        self.ends[started["id"]] = view
        return view

    def recent_ids(self, n: int) -> list[str]:
        return [one for one in reversed(self.under_way) if one not in self.ends][:n]

    async def storm(self, rng: random.Random, copies: int) -> None:
        key = f"{rng.getrandbits(64):x}"
        views = await asyncio.gather(*(self.buy(key=key) for _ in range(min(copies, CROWD))))
        assert len({view["id"] for view in views}) == 1

    async def other_body(self, rng: random.Random) -> None:
        key = f"{rng.getrandbits(64):x}"
        await self.buy(key=key)
        with pytest.raises(AssertionError, match="idempotency_key_reused"):
            await self.buy(key=key, cart_id="another")

    async def vanish(self, rng: random.Random) -> None:
        key = f"{rng.getrandbits(64):x}"
        leaving = asyncio.create_task(self.buy(key=key))
        await asyncio.sleep(rng.uniform(0, 0.05))
        leaving.cancel()
        await asyncio.wait([leaving])
        await self.buy(key=key)

    async def two_keys(self, rng: random.Random) -> None:
        cart = f"{rng.getrandbits(64):x}"
        views = await asyncio.gather(self.buy(cart_id=cart), self.buy(cart_id=cart))
        assert sorted(view["status"] for view in views).count("confirmed") <= 1

    async def burst(self, _: random.Random, n: int) -> None:
        await asyncio.gather(*(self.buy() for _ in range(min(n, CROWD))))

    async def hot_sku(self, _: random.Random, buyers: int) -> None:
        await asyncio.gather(*(self.buy(sku="RARE") for _ in range(min(buyers, CROWD))))

    async def _insist(self, verb: str, path: str, **more: Any) -> dict[str, Any]:
        while True:
            with suppress(httpx.TransportError):
                response = await self.http.request(verb, path, **more)
                if response.status_code < 300:
                    return dict(response.json())
                if response.json()["code"] == "checkout_failed":
                    return {"status": "failed", "total_minor": 0}
                assert response.status_code in (429, 503), response.text
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
async def system() -> AsyncIterator[System]:
    async with temporary_directory() as directory, open_system(directory, 1, SETTINGS) as system:
        await system.stock({"MUG": 1_000_000, "RARE": CROWD // 2})
        yield system


@pytest.fixture
async def customers(system: System) -> AsyncIterator[Customers]:
    headers = {"Authorization": f"Bearer {system.info.storefront_key}"}
    async with httpx.AsyncClient(base_url=system.info.api_url, headers=headers, timeout=30, trust_env=False) as client:
        yield Customers(client)


async def everything_agrees(info: StackInfo, customers: Customers) -> None:
    """Wait until the tables are at rest and without fault; then the provider has what was bought, and no more."""
    engine = create_engine(DatabaseSettings(url=SecretStr(info.database_url)))
    try:
        # Reconciliation undoes what was terminated.
        while await violations(engine):
            assert await violations(engine, at_rest=False) == []
            await asyncio.sleep(0.2)
    finally:
        await engine.dispose()
    async with httpx.AsyncClient(base_url=info.sandbox_url, trust_env=False) as client:
        ledger = (await client.get("/sandbox/ledger")).json()
    for name, view in customers.ends.items():
        intents = {i["id"]: i["amount_received"] for i in ledger["intents"] if i["metadata"]["checkout_id"] == name}
        given_back = sum(refund["amount"] for refund in ledger["refunds"] if refund["payment_intent"] in intents)
        paid = view["total_minor"] if view["status"] == "confirmed" else 0
        assert sum(intents.values()) - given_back == paid, view


async def make_one_after_another(system: System, customers: Customers, faults: list[Fault]) -> None:
    for fault in faults:
        await fault.inject(system, customers, random.Random(fault.name), min(BRIEFLY_SECONDS, fault.seconds[1]))


async def test_every_fault_is_made_and_healed_and_nothing_is_lost(system: System, customers: Customers) -> None:
    places: dict[str, list[Fault]] = {}
    for fault in FAULTS.values():
        places.setdefault(fault.where, []).append(fault)
    enough = asyncio.Event()

    async def come_again_and_again() -> None:
        while not enough.is_set():
            await customers.buy(METHODS[len(customers.under_way) % len(METHODS)])

    async with asyncio.TaskGroup() as shop:
        for _ in range(CUSTOMERS):
            shop.create_task(come_again_and_again())
        # At each place one at a time, and at all of the places at once.
        async with asyncio.TaskGroup() as chaos:
            for faults in places.values():
                chaos.create_task(make_one_after_another(system, customers, faults))
        await system.heal()
        enough.set()

    assert (await customers.buy())["status"] == "confirmed"
    await everything_agrees(system.info, customers)


async def test_healing_brings_back_whatever_is_away(system: System, customers: Customers) -> None:
    before = {role: system.pid(role) for role in ROLES}
    system.pause("worker-2")
    for role in ("postgres", "temporal", "sandbox", "worker"):
        system.hold(role)
        system.kill(role)
    system.kill("api")
    await system.links["worker-2-provider"].cut()
    await system.heal()

    assert {role for role in ROLES if system.pid(role) != before[role]} == {*ROLES} - {"worker-2"}
    assert (await customers.buy())["status"] == "confirmed"


async def test_a_worker_that_dies_after_a_commit_has_the_activity_run_twice(
    system: System, customers: Customers
) -> None:
    dead: list[str] = []

    def die(role: str) -> None:
        dead.append(role)
        system.kill(role)
        for trap in system.traps.values():
            trap.disarm()

    for role in WORKERS:
        system.traps[role].arm(Moment.AFTER, then=partial(die, role), about="INSERT INTO reservations")
    view = await customers.buy()

    assert view["status"] == "confirmed"
    assert len(dead) == 1
    assert sum(trap.seen for trap in system.traps.values()) == 2
    await everything_agrees(system.info, customers)


async def test_an_event_that_is_believed_too_easily_is_told(
    system: System, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customers.buy()
    # Signed now instead of an hour ago, it is genuine, and taken.
    monkeypatch.setattr("checkout_lab.chaos.faults.webhooks._AGE_SECONDS", 0)
    with pytest.raises(ForbiddenResponse, match="not genuine was taken"):
        await FAULTS["webhooks-stale"].inject(system, customers, random.Random(1), 0)
