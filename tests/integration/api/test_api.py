"""The storefront's routes over real HTTP, on a real Temporal, with the real worker on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.storefront.schemas import CheckoutResponse
from api.temporal.snapshots import known_status
from checkout.domain.errors import ProviderUnavailable
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus
from checkout.temporal.names import CUSTOMER_ID
from tests.support.api_process import OTHER_KEY, STOREFRONT_KEY, Storefront, body, open_storefront, problem
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock


@pytest.fixture
async def gateway(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[ScriptedGateway]:
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        yield shop.gateway
        shop.gateway.let_go.set()


@pytest.fixture
async def storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    """Its charges have longer than any test takes, so that none is given up while a test holds it."""
    async with open_storefront(temporal_client) as storefront:
        yield storefront


@pytest.fixture
async def hasty_storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    """Its payments are soon stuck."""
    async with open_storefront(temporal_client, payment_stuck_after_seconds=0.5) as storefront:
        yield storefront


async def test_a_client_that_waits_gets_the_ending(storefront: Storefront, gateway: ScriptedGateway) -> None:
    response = await storefront.buy(wait=20)
    assert (response.status_code, response.headers["preference-applied"]) == (200, "wait=20")
    view = CheckoutResponse.model_validate_json(response.content)
    assert (view.status, view.total_minor, view.payment.status) == ("confirmed", 2580, "captured")
    assert list(response.json()) == list(CheckoutResponse.model_fields)
    assert response.headers["location"] == f"/v1/checkouts/{view.id}"
    assert "retry-after" not in response.headers
    assert "idempotent-replayed" not in response.headers


async def test_a_client_that_does_not_wait_gets_a_location(storefront: Storefront, gateway: ScriptedGateway) -> None:
    gateway.let_go.clear()
    accepted = await storefront.buy()
    assert (accepted.status_code, accepted.json()["status"]) == (202, "processing")
    assert accepted.headers["retry-after"] == "1"
    assert "preference-applied" not in accepted.headers
    gateway.let_go.set()
    ended = await storefront.get(accepted.headers["location"], wait=20)
    assert (ended.status_code, ended.json()["status"]) == (200, "confirmed")
    assert ended.headers["preference-applied"] == "wait=20"


async def test_one_key_in_a_storm_is_one_checkout(storefront: Storefront, gateway: ScriptedGateway) -> None:
    responses = await asyncio.gather(*(storefront.buy(key="storm", wait=20) for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert sum("idempotent-replayed" not in response.headers for response in responses) == 1
    assert len(gateway.charged) == 1


async def test_a_key_is_replayed_after_the_end_however_the_body_is_written(
    storefront: Storefront, gateway: ScriptedGateway
) -> None:
    first = await storefront.buy(key="k", wait=20)
    other_words = dict(reversed(body(lines=[{"sku": "MUG-WHITE", "quantity": 1}] * 2, cart_id=None).items()))
    again = await storefront.post("/v1/checkouts", other_words, key="k")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_key_with_another_body_is_refused(storefront: Storefront, gateway: ScriptedGateway) -> None:
    await storefront.buy(key="k", wait=20)
    assert problem(await storefront.buy(key="k", customer_id="cus_43")) == (422, "idempotency_key_reused")


async def test_callers_do_not_see_each_other(storefront: Storefront, gateway: ScriptedGateway) -> None:
    mine = await storefront.buy(key="k", wait=20)
    theirs = await storefront.buy(key="k", caller=OTHER_KEY, cart_id="another", wait=20)
    assert theirs.json()["id"] != mine.json()["id"]
    unseen = await storefront.get(mine.headers["location"], caller=OTHER_KEY)
    nowhere = await storefront.get("/v1/checkouts/chk_aaaaaaaaaaaaaaaaaaaaaaaaaa", caller=OTHER_KEY)
    assert problem(unseen) == problem(nowhere) == (404, "unknown_checkout")
    assert unseen.json()["detail"] == nowhere.json()["detail"]
    cancelled = await storefront.post(f"{mine.headers['location']}/cancel", caller=OTHER_KEY)
    assert problem(cancelled) == (404, "unknown_checkout")


async def test_a_decline_is_a_response_and_not_an_error(storefront: Storefront, gateway: ScriptedGateway) -> None:
    gateway.charge_result = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", decline_code="insufficient_funds")
    response = await storefront.buy(wait=20)
    assert response.status_code == 200
    payment = response.json()["payment"]
    assert (payment["status"], payment["decline_code"]) == ("declined", "insufficient_funds")


async def test_a_view_the_client_has_is_not_sent_again(storefront: Storefront, gateway: ScriptedGateway) -> None:
    bought = await storefront.buy(wait=20)
    place, tag = bought.headers["location"], bought.headers["etag"]
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        unchanged = await storefront.get(place, headers={"If-None-Match": condition}, wait=20)
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    assert (await storefront.get(place, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_a_waiting_look_returns_when_the_view_changes(storefront: Storefront, gateway: ScriptedGateway) -> None:
    gateway.let_go.clear()
    accepted = await storefront.buy()
    await gateway.arrived.wait()
    seen = await storefront.get(accepted.headers["location"])
    assert (seen.json()["status"], seen.json()["payment"]["status"]) == ("processing", "processing")
    condition = {"If-None-Match": seen.headers["etag"]}
    unchanged = await storefront.get(accepted.headers["location"], headers=condition, wait=1)
    assert (unchanged.status_code, unchanged.headers["retry-after"]) == (304, "1")
    look = asyncio.create_task(storefront.get(accepted.headers["location"], headers=condition, wait=20))
    gateway.let_go.set()
    changed = await look
    assert (changed.status_code, changed.headers["preference-applied"]) == (200, "wait=20")
    assert changed.headers["etag"] != seen.headers["etag"]


async def test_a_stuck_payment_ends_the_wait(hasty_storefront: Storefront, gateway: ScriptedGateway) -> None:
    gateway.charge_result = ProviderUnavailable("away")
    response = await hasty_storefront.buy(wait=20)
    assert (response.status_code, response.json()["status"]) == (200, "payment_stuck")
    assert response.headers["retry-after"] == "1"
    cancelled = await hasty_storefront.post(f"{response.headers['location']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "compensating")
    ended = await hasty_storefront.get(response.headers["location"], wait=20)
    assert (ended.json()["status"], ended.json()["reason"]) == ("cancelled", "cancelled_by_customer")


async def test_a_cancel_in_mid_charge_undoes_the_charge(storefront: Storefront, gateway: ScriptedGateway) -> None:
    gateway.let_go.clear()
    accepted = await storefront.buy()
    await gateway.arrived.wait()
    actions = await asyncio.gather(*(storefront.post(f"{accepted.headers['location']}/cancel", {}) for _ in range(3)))
    assert {action.status_code for action in actions} == {202}
    assert {action.json()["status"] for action in actions} <= {"compensating", "cancelled"}
    gateway.let_go.set()
    ended = await storefront.get(accepted.headers["location"], wait=20)
    assert ended.json()["status"] == "cancelled"
    once_more = await storefront.post(f"{accepted.headers['location']}/cancel")
    assert (once_more.status_code, once_more.json()) == (202, ended.json())


@pytest.mark.parametrize(("changes", "status"), [({}, "confirmed"), ({"expected_total_minor": 1}, "rejected")])
async def test_what_is_over_cannot_be_cancelled(
    storefront: Storefront, gateway: ScriptedGateway, changes: dict[str, Any], status: str
) -> None:
    ended = await storefront.buy(wait=20, **changes)
    assert ended.json()["status"] == status
    assert problem(await storefront.post(f"{ended.headers['location']}/cancel")) == (409, "not_cancellable")


async def test_an_ended_checkout_needs_no_worker_to_be_seen(
    storefront: Storefront, temporal_client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine):
        bought = await storefront.buy(wait=20)
    seen = await storefront.get(bought.headers["location"])
    assert (seen.content, seen.headers["etag"]) == (bought.content, bought.headers["etag"])
    assert "checkout-view" not in seen.headers


async def test_the_workflow_shows_its_customer_to_an_operator(
    storefront: Storefront, gateway: ScriptedGateway, temporal_client: Client
) -> None:
    gateway.let_go.clear()
    accepted = await storefront.buy(customer_id="[cus](http://x)")
    description = await temporal_client.get_workflow_handle(accepted.json()["id"]).describe()
    assert await description.static_summary() == "Checkout of customer ?cus??http???x?: 2 \u00d7 MUG-WHITE, EUR"
    assert "Terminate** undoes nothing" in (await description.static_details() or "")
    assert description.typed_search_attributes[CUSTOMER_ID] == "[cus](http://x)"
    assert known_status(description) == "processing"


async def test_a_client_that_hangs_up_is_not_waited_for(storefront: Storefront, gateway: ScriptedGateway) -> None:
    gateway.let_go.clear()
    with pytest.raises(httpx.ReadTimeout):
        await storefront.buy(wait=30, timeout=0.5)
    counted = 'checkout_api_requests_total{method="POST",route="/v1/checkouts",status="202"} 1.0'
    while counted not in (await storefront.client.get("/metrics")).text:
        pass


async def test_a_process_that_stops_ends_its_long_polls(storefront: Storefront, gateway: ScriptedGateway) -> None:
    gateway.let_go.clear()
    waiting = asyncio.create_task(storefront.buy(wait=30))
    await gateway.arrived.wait()
    await storefront.stop()
    response = await waiting
    assert (response.status_code, response.json()["status"]) == (202, "processing")


async def test_the_key_is_asked_for_first(storefront: Storefront) -> None:
    nobody = await storefront.client.post("/v1/checkouts", content=b"{")
    assert problem(nobody) == (401, "unauthorized")
    assert nobody.headers["www-authenticate"] == 'Bearer realm="checkout"'
    keyed = await storefront.client.post("/v1/checkouts", headers={"Authorization": f"Bearer {STOREFRONT_KEY}"})
    assert problem(keyed) == (400, "idempotency_key_missing")


async def test_a_client_still_sending_too_much_sees_the_response(storefront: Storefront) -> None:
    async def flood() -> AsyncIterator[bytes]:
        for _ in range(4_000):
            yield b" " * 1024

    headers = {"Authorization": f"Bearer {STOREFRONT_KEY}", "Idempotency-Key": "k", "Content-Type": "application/json"}
    assert problem(await storefront.client.post("/v1/checkouts", content=flood(), headers=headers)) == (
        413,
        "body_too_large",
    )
    assert (await storefront.client.get("/healthz")).status_code == 200
