"""A full room: new checkouts are told at once to come back, and everything that was accepted goes on."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner

from api.admission import gate
from api.admission.room import LEAST
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus
from tests.support.api_process import OTHER_KEY, SUPPORT_KEY, Storefront, open_storefront, problem
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock

pytestmark = pytest.mark.alone

#: So short that the room is as small as it gets.
HASTY = {"api_shed_above_seconds": 0.001}


@pytest.fixture
async def storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    async with open_storefront(temporal_client, **HASTY) as storefront:
        yield storefront


@pytest.fixture
async def full(storefront: Storefront) -> list[httpx.Response]:
    """Without a worker nothing comes to rest, so the room fills up; the checkouts that fill it."""
    responses = await asyncio.gather(*(storefront.buy(key=f"first {n}") for n in range(LEAST)))
    assert {response.status_code for response in responses} == {202}
    return list(responses)


async def test_a_full_room_refuses_with_a_time_to_retry(storefront: Storefront, full: list[httpx.Response]) -> None:
    refused = await storefront.buy()
    assert problem(refused) == (503, "overloaded")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    # Who is asking, and for what, is looked at first; the body is not.
    assert problem(await storefront.buy(caller="sk_nobody_has_this_key")) == (401, "unauthorized")
    assert problem(await storefront.post("/v1/checkouts", {})) == (400, "idempotency_key_missing")
    assert problem(await storefront.post("/v1/checkouts", {"not": "a cart"}, key="k")) == (503, "overloaded")


async def test_a_full_api_still_responds_for_checkouts_it_has_accepted(
    storefront: Storefront, full: list[httpx.Response]
) -> None:
    again = await storefront.buy(key="first 7")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.json()["id"] == full[7].json()["id"]
    place = full[7].headers["location"]
    assert (await storefront.get(place)).status_code == 200
    assert problem(await storefront.buy(key="first 7", customer_id="cus_43")) == (422, "idempotency_key_reused")
    assert problem(await storefront.get(place, caller=OTHER_KEY)) == (404, "unknown_checkout")
    assert (await storefront.get("/v1/support/checkouts", caller=SUPPORT_KEY)).status_code == 200
    assert (await storefront.get("/healthz")).status_code == 200
    assert (await storefront.get("/readyz")).status_code == 200


async def test_the_room_and_what_it_refuses_are_seen_in_the_metrics(
    storefront: Storefront, full: list[httpx.Response]
) -> None:
    await storefront.buy()
    shown = (await storefront.get("/metrics")).text.splitlines()
    assert 'checkout_api_refused_total{code="overloaded"} 1.0' in shown
    assert f"checkout_api_under_way {LEAST}.0" in shown
    assert f"checkout_api_room {LEAST}.0" in shown


async def test_once_a_worker_has_made_room_new_checkouts_come_in(
    storefront: Storefront, full: list[httpx.Response], temporal_client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    await stock({"MUG-WHITE": (1290, "EUR", 1000)})
    async with open_shop(temporal_client, engine, runner=UnsandboxedWorkflowRunner()):
        for accepted in full:
            while (end := await storefront.get(accepted.headers["location"], wait=30)).json()["status"] == "processing":
                pass
            assert end.json()["status"] == "confirmed"
        while (latecomer := await storefront.buy(key="late", wait=20)).status_code == 503:
            await asyncio.sleep(0.05)
        assert (latecomer.status_code, latecomer.json()["status"]) == (200, "confirmed")


@pytest.mark.parametrize("turn", [PaymentStatus.DECLINED, PaymentStatus.PENDING], ids=["customer's", "provider's"])
async def test_a_checkout_that_waits_for_somebody_else_takes_no_room(
    storefront: Storefront, temporal_client: Client, engine: AsyncEngine, stock: Stock, turn: PaymentStatus
) -> None:
    await stock({"MUG-WHITE": (1290, "EUR", 1000)})
    gateway = ScriptedGateway()
    gateway.charge_result = gateway.find_result = Charge(turn, "pi_1", 2580, "EUR")
    async with open_shop(temporal_client, engine, gateway):
        accepted = await storefront.buy()
        await no_checkout_is_under_way(storefront)
        view = (await storefront.get(accepted.headers["location"])).json()
        assert view["payment"]["status"] == turn


async def test_a_checkout_in_trouble_gives_its_place_back(
    storefront: Storefront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "LEASE_SECONDS", 0.5)
    await storefront.buy()
    await no_checkout_is_under_way(storefront)


async def no_checkout_is_under_way(storefront: Storefront) -> None:
    while "checkout_api_under_way 0.0" not in (await storefront.get("/metrics")).text:
        await asyncio.sleep(0.05)


async def test_each_kind_of_request_has_a_lane_of_its_own(temporal_client: Client) -> None:
    async with open_storefront(temporal_client, api_max_requests=1) as storefront:
        waiting = asyncio.create_task(storefront.buy(key="k", wait=30))
        while "started" not in (await storefront.get("/metrics")).text:
            await asyncio.sleep(0.05)
        refused = await storefront.buy()
        assert problem(refused) == (503, "overloaded")
        assert "retry-after" in refused.headers
        assert (await storefront.get("/v1/support/checkouts", caller=SUPPORT_KEY)).status_code == 200
        assert problem(await storefront.get("/v1/checkouts/chk_aaaaaaaaaaaaaaaaaaaaaaaaaa")) == (
            404,
            "unknown_checkout",
        )
        assert problem(await storefront.post("/v1/webhooks/stripe", {})) == (400, "invalid_signature")
        assert (await storefront.get("/readyz")).status_code == 200
        storefront.server.should_exit = True
        assert (await waiting).status_code == 202
