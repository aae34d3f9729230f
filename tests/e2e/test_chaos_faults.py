"""Every fault of a campaign is made in a world of real processes, and the shop is whole again when it is healed."""

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
from lab.chaos.faults.catalogue import FAULTS, Fault, Harm
from lab.chaos.proxy.postgres import Moment
from lab.chaos.world.world import ROLES, WORKERS, World, open_world
from lab.stack.stack import StackInfo
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
                answer = await self.http.request(verb, path, **more)
                if answer.status_code < 300:
                    return dict(answer.json())
                if answer.json()["code"] == "checkout_failed":
                    return {"status": "failed", "total_minor": 0}
                assert answer.status_code in (429, 503), answer.text
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    async with temporary_directory() as directory, open_world(directory, 1, SETTINGS) as world:
        await world.stock({"MUG": 1_000_000, "RARE": CROWD // 2})
        yield world


@pytest.fixture
async def customers(world: World) -> AsyncIterator[Customers]:
    headers = {"Authorization": f"Bearer {world.info.storefront_key}"}
    async with httpx.AsyncClient(base_url=world.info.api_url, headers=headers, timeout=30, trust_env=False) as client:
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


async def make_one_after_another(world: World, customers: Customers, faults: list[Fault]) -> None:
    for fault in faults:
        await fault.inject(world, customers, random.Random(fault.name), min(BRIEFLY_SECONDS, fault.seconds[1]))


async def test_every_fault_is_made_and_healed_and_nothing_is_lost(world: World, customers: Customers) -> None:
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
                chaos.create_task(make_one_after_another(world, customers, faults))
        await world.heal()
        enough.set()

    assert (await customers.buy())["status"] == "confirmed"
    await everything_agrees(world.info, customers)


async def test_healing_brings_back_whatever_is_away(world: World, customers: Customers) -> None:
    before = {role: world.pid(role) for role in ROLES}
    world.pause("worker-2")
    for role in ("postgres", "temporal", "sandbox", "worker"):
        world.hold(role)
        world.kill(role)
    world.kill("api")
    await world.links["worker-2-provider"].cut()
    await world.heal()

    assert {role for role in ROLES if world.pid(role) != before[role]} == {*ROLES} - {"worker-2"}
    assert (await customers.buy())["status"] == "confirmed"


async def test_a_worker_that_dies_after_a_commit_has_the_activity_run_twice(world: World, customers: Customers) -> None:
    dead: list[str] = []

    def die(role: str) -> None:
        dead.append(role)
        world.kill(role)
        for trap in world.traps.values():
            trap.disarm()

    for role in WORKERS:
        world.traps[role].arm(Moment.AFTER, then=partial(die, role), about="INSERT INTO reservations")
    view = await customers.buy()

    assert view["status"] == "confirmed"
    assert len(dead) == 1
    assert sum(trap.seen for trap in world.traps.values()) == 2
    await everything_agrees(world.info, customers)


async def test_an_event_that_is_believed_too_easily_is_told(
    world: World, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customers.buy()
    # Signed now instead of an hour ago, it is genuine, and taken.
    monkeypatch.setattr("lab.chaos.faults.webhooks._AGE_SECONDS", 0)
    with pytest.raises(Harm, match="not genuine was taken"):
        await FAULTS["webhooks-stale"].inject(world, customers, random.Random(1), 0)
