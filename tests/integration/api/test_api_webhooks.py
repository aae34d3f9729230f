"""The provider's events over real HTTP: forged, repeated, early, late; and end to end from the sandbox provider."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from stripe import WebhookSignature
from temporalio.client import Client

from api.webhooks import event_batches, routes
from checkout.config.settings import WorkerSettings
from checkout.db.session import Database
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.api_process import Storefront, open_storefront, problem
from tests.support.sandbox_server import sandbox_server
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock
from worker import build_worker

PLACE = "/v1/webhooks/stripe"
SECRET = "whsec_0123456789"


@pytest.fixture
async def gateway(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[ScriptedGateway]:
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        yield shop.gateway


@pytest.fixture
async def storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    async with open_storefront(temporal_client) as storefront:
        yield storefront


def event(name: str = "evt_1", checkout_id: str | None = None, **changes: Any) -> dict[str, Any]:
    intent = {"id": "pi_1", "object": "payment_intent", "metadata": {"checkout_id": checkout_id}}
    fields = {"id": name, "object": "event", "type": "payment_intent.succeeded", "created": 1763890200}
    return fields | {"data": {"object": intent}} | changes


async def deliver(
    storefront: Storefront, content: Any, *, secret: str = SECRET, age_seconds: int = 0
) -> httpx.Response:
    raw = content if isinstance(content, str) else json.dumps(content)
    header = WebhookSignature.generate_signature_header(raw, secret, int(time.time()) - age_seconds)
    headers = {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}
    return await storefront.client.post(PLACE, content=raw, headers=headers)


async def inbox(engine: AsyncEngine) -> list[tuple[str, str]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT event_id, status FROM payment_events ORDER BY event_id"))
        return [(row.event_id, row.status) for row in rows]


async def test_an_event_has_the_checkout_look_at_its_payment_once(
    storefront: Storefront, gateway: ScriptedGateway, temporal_client: Client, engine: AsyncEngine
) -> None:
    gateway.charge_result = gateway.find_result = Charge(PaymentStatus.PENDING, "pi_1", 0, "EUR")
    accepted = await storefront.buy()
    place, checkout_id = accepted.headers["location"], accepted.json()["id"]
    while (await storefront.get(place)).json()["payment"]["status"] != "pending":
        pass
    deliveries = await asyncio.gather(*(deliver(storefront, event(checkout_id=checkout_id)) for _ in range(5)))
    assert {response.status_code for response in deliveries} == {200}
    assert sorted(response.json()["status"] for response in deliveries) == ["accepted"] + 4 * ["duplicate"]
    assert await temporal_client.get_workflow_handle("evt_1").result() == {"evt_1": "applied"}
    gateway.find_result = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    await deliver(storefront, event("evt_2", checkout_id))
    assert (await storefront.get(place, wait=20)).json()["status"] == "confirmed"
    assert (await deliver(storefront, event(checkout_id=checkout_id))).json() == {"status": "duplicate"}
    assert [name for name, _ in await inbox(engine)] == ["evt_1", "evt_2"]


async def test_an_event_for_nobody_is_kept(
    storefront: Storefront, gateway: ScriptedGateway, temporal_client: Client, engine: AsyncEngine
) -> None:
    assert (await deliver(storefront, event(checkout_id="chk_" + "a" * 26))).json() == {"status": "accepted"}
    assert await temporal_client.get_workflow_handle("evt_1").result() == {"evt_1": "unmatched"}
    assert await inbox(engine) == [("evt_1", "unmatched")]


@pytest.mark.parametrize("origin", [{"livemode": True}, {"livemode": False, "account": "acct_1"}], ids=str)
async def test_an_event_of_another_mode_or_account_is_kept_and_nobody_is_told(
    storefront: Storefront,
    gateway: ScriptedGateway,
    temporal_client: Client,
    engine: AsyncEngine,
    origin: dict[str, Any],
) -> None:
    sold = (await storefront.buy(wait=20)).json()
    assert (await deliver(storefront, event(checkout_id=sold["id"], **origin))).json() == {"status": "accepted"}
    assert await temporal_client.get_workflow_handle("evt_1").result() == {"evt_1": "foreign"}
    assert (await deliver(storefront, event("evt_2", sold["id"], livemode=False))).json() == {"status": "accepted"}
    assert await temporal_client.get_workflow_handle("evt_2").result() == {"evt_2": "known"}
    assert await inbox(engine) == [("evt_1", "foreign"), ("evt_2", "applied")]


async def test_events_that_come_together_share_a_workflow(
    storefront: Storefront, gateway: ScriptedGateway, temporal_client: Client, engine: AsyncEngine
) -> None:
    names = [f"evt_{number:03}" for number in range(2 * event_batches.MOST_TOGETHER)]
    responses = await asyncio.gather(*(deliver(storefront, event(name)) for name in names))
    assert [response.json() for response in responses] == [{"status": "accepted"}] * len(names)
    await _until(lambda: _all_are_in(engine, names))
    batches = temporal_client.list_workflows("WorkflowType = 'PaymentEventsWorkflow'")
    assert 0 < len([each async for each in batches]) < len(names) / 10
    again = await asyncio.gather(*(deliver(storefront, event(name)) for name in names))
    assert {response.status_code for response in again} == {200}
    assert await _all_are_in(engine, names)


async def test_an_event_is_safe_without_a_worker(storefront: Storefront, temporal_client: Client) -> None:
    assert (await deliver(storefront, event())).json() == {"status": "accepted"}
    description = await temporal_client.get_workflow_handle("evt_1").describe()
    assert await description.static_summary() == "payment_intent.succeeded of pi_1, checkout not named"


async def test_what_the_provider_did_not_sign_starts_nothing(storefront: Storefront, temporal_client: Client) -> None:
    for forged in (
        await deliver(storefront, event(), secret="whsec_of_somebody_else"),
        await deliver(storefront, event(), age_seconds=400),
        await storefront.client.post(PLACE, json=event()),
        await storefront.client.post(PLACE, json=event(), headers=[("Stripe-Signature", "t=1,v1=a")] * 2),
    ):
        assert problem(forged) == (400, "invalid_signature")
    assert problem(await deliver(storefront, "{")) == (400, "malformed_json")
    assert problem(await deliver(storefront, {})) == (400, "invalid_event")
    assert problem(await deliver(storefront, " " * (routes.MAX_EVENT_BYTES + 1))) == (413, "body_too_large")
    assert problem(await storefront.get(PLACE)) == (405, "method_not_allowed")
    assert (await deliver(storefront, event(type="customer.created"))).json() == {"status": "ignored"}
    assert [each.id async for each in temporal_client.list_workflows()] == []
    numbers = (await storefront.client.get("/metrics")).text
    assert 'checkout_api_webhooks_total{outcome="invalid_signature"} 4.0' in numbers
    assert 'checkout_api_webhooks_total{outcome="ignored"} 1.0' in numbers


async def test_while_a_secret_is_replaced_both_are_good(temporal_client: Client) -> None:
    async with open_storefront(temporal_client, stripe_webhook_secret=f"whsec_the_new_one,{SECRET}") as storefront:
        assert (await deliver(storefront, event("evt_1"))).status_code == 200
        assert (await deliver(storefront, event("evt_2"), secret="whsec_the_new_one")).status_code == 200


async def test_while_temporal_is_away_the_provider_is_asked_to_send_it_again() -> None:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    async with open_storefront(nowhere) as storefront:
        responses = await asyncio.gather(*(deliver(storefront, event(f"evt_{number}")) for number in range(3)))
        assert [problem(response) for response in responses] == [(503, "temporal_unavailable")] * 3


@pytest.mark.parametrize("delivery", ["normal", "duplicate", "shuffle"])
async def test_a_slow_payment_is_confirmed_with_the_sandboxs_own_events(
    temporal_client: Client, engine: AsyncEngine, stock: Stock, tmp_path: Path, delivery: str
) -> None:
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_storefront(temporal_client) as storefront:
        address = {
            "CHECKOUT_SANDBOX_WEBHOOK_URL": f"{storefront.client.base_url}{PLACE}",
            "CHECKOUT_SANDBOX_WEBHOOK_SECRET": SECRET,
        }
        async with sandbox_server(tmp_path, **address) as sandbox:
            await sandbox.set_faults(webhooks=delivery)
            gateway = StripeGateway(sandbox.payment_settings())
            async with build_worker(temporal_client, Database(engine), gateway, WorkerSettings()):
                response = await storefront.buy(wait=30, payment_method="pm_sandbox_processing")
                assert (response.status_code, response.json()["status"]) == (200, "confirmed")
                await _until(lambda: _known(engine))
            await gateway.close()


async def _all_are_in(engine: AsyncEngine, names: list[str]) -> bool:
    return await inbox(engine) == [(name, "unmatched") for name in names]


async def _known(engine: AsyncEngine) -> bool:
    return any(status == "applied" for _, status in await inbox(engine))


async def _until(is_so: Callable[[], Any]) -> None:
    while not await is_so():
        await asyncio.sleep(0.05)
