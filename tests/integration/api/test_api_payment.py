"""The customer tries again within the same checkout: over real HTTP, with the real worker on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.storefront import service
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus
from tests.support.api_process import OTHER_KEY, SUPPORT_KEY, Storefront, open_storefront, problem
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock

DECLINED = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", decline_code="insufficient_funds", retryable=True)
ANOTHER = {"payment_method": "pm_card_mastercard"}


@pytest.fixture
async def gateway(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[ScriptedGateway]:
    """The first try is declined, the second succeeds."""
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        shop.gateway.charge_results[1] = DECLINED
        yield shop.gateway
        shop.gateway.let_go.set()


@pytest.fixture
async def storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    async with open_storefront(temporal_client) as storefront:
        yield storefront


async def declined(storefront: Storefront) -> str:
    response = await storefront.buy(wait=20)
    assert (response.status_code, response.json()["status"]) == (200, "awaiting_payment")
    payment = response.json()["payment"]
    assert (payment["status"], payment["decline_code"], payment["retryable"]) == (
        "declined",
        "insufficient_funds",
        True,
    )
    return response.headers["location"]


async def test_a_customer_who_was_declined_pays_in_another_way(
    storefront: Storefront, gateway: ScriptedGateway
) -> None:
    place = await declined(storefront)
    paid = await storefront.post(f"{place}/payment", ANOTHER, wait=20)
    assert (paid.status_code, paid.json()["status"], paid.headers["preference-applied"]) == (
        200,
        "confirmed",
        "wait=20",
    )
    assert paid.headers["location"] == place
    assert (paid.json()["payment"]["attempts"], paid.json()["payment"]["retryable"]) == (2, None)
    assert [attempt.payment_method for attempt in gateway.charged] == ["pm_card_visa", "pm_card_mastercard"]


async def test_a_client_that_does_not_wait_gets_202_at_once(storefront: Storefront, gateway: ScriptedGateway) -> None:
    place = await declined(storefront)
    gateway.let_go.clear()
    taken = await storefront.post(f"{place}/payment", ANOTHER)
    assert (taken.status_code, taken.json()["status"], taken.headers["retry-after"]) == (202, "processing", "1")
    too_early = await storefront.post(f"{place}/payment", ANOTHER)
    assert problem(too_early) == (409, "no_payment_awaited")
    gateway.let_go.set()
    assert (await storefront.get(place, wait=20)).json()["status"] == "confirmed"


async def test_a_double_click_with_one_key_is_one_payment(storefront: Storefront, gateway: ScriptedGateway) -> None:
    place = await declined(storefront)
    clicks = [storefront.post(f"{place}/payment", ANOTHER, key="try-2", wait=20) for _ in range(5)]
    responses = await asyncio.gather(*clicks)
    assert {response.status_code for response in responses} == {200}
    assert {response.json()["status"] for response in responses} == {"confirmed"}
    assert len(gateway.charged) == 2
    late = await storefront.post(f"{place}/payment", ANOTHER, key="try-2", wait=20)
    assert (late.status_code, late.json()["status"]) == (200, "confirmed")
    other = await storefront.post(f"{place}/payment", {"payment_method": "pm_card_amex"}, key="try-2")
    assert problem(other) == (422, "idempotency_key_reused")


async def test_without_a_key_the_second_click_is_refused_and_charges_nothing(
    storefront: Storefront, gateway: ScriptedGateway
) -> None:
    place = await declined(storefront)
    responses = await asyncio.gather(*(storefront.post(f"{place}/payment", ANOTHER, wait=20) for _ in range(3)))
    assert sorted(response.status_code for response in responses) == [200, 409, 409]
    assert len(gateway.charged) == 2


async def test_a_payment_that_nobody_waits_for_is_refused(storefront: Storefront, gateway: ScriptedGateway) -> None:
    place = await declined(storefront)
    assert problem(await storefront.post(f"{place}/payment", ANOTHER, caller=OTHER_KEY)) == (404, "unknown_checkout")
    assert problem(await storefront.post(f"{place}/payment", ANOTHER, caller=SUPPORT_KEY)) == (403, "wrong_scope")
    assert problem(await storefront.post(f"{place}/payment", ANOTHER, caller="nobody")) == (401, "unauthorized")
    assert problem(await storefront.post(f"{place}/payment", {})) == (422, "invalid_request")
    assert problem(await storefront.post(f"{place}/payment", ANOTHER, key="k" * 256)) == (
        400,
        "idempotency_key_malformed",
    )
    nowhere = await storefront.post("/v1/checkouts/chk_aaaaaaaaaaaaaaaaaaaaaaaaaa/payment", ANOTHER)
    assert problem(nowhere) == (404, "unknown_checkout")
    assert len(gateway.charged) == 1
    assert (await storefront.post(f"{place}/payment", ANOTHER, wait=20)).json()["status"] == "confirmed"
    assert problem(await storefront.post(f"{place}/payment", ANOTHER)) == (409, "no_payment_awaited")


async def test_the_customer_is_sent_where_the_bank_wants_them(storefront: Storefront, gateway: ScriptedGateway) -> None:
    url = "https://bank.example/3ds"
    action = Charge(PaymentStatus.REQUIRES_ACTION, "pi_1", 2580, "EUR", next_action_url=url)
    gateway.charge_results[1] = gateway.find_result = action
    response = await storefront.buy(wait=20)
    assert response.json()["payment"]["next_action"] == {"type": "redirect_to_url", "url": url}
    assert (response.json()["status"], response.json()["payment"]["status"]) == ("awaiting_payment", "requires_action")
    paid = await storefront.post(f"{response.headers['location']}/payment", ANOTHER, wait=20)
    assert (paid.json()["status"], paid.json()["payment"]["next_action"]) == ("confirmed", None)


async def test_without_a_worker_a_payment_says_that_asking_again_is_safe(
    storefront: Storefront, temporal_client: Client, engine: AsyncEngine, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SUBMIT_SECONDS", 1.0)
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        shop.gateway.charge_results[1] = DECLINED
        place = await declined(storefront)
    pending = await storefront.post(f"{place}/payment", ANOTHER, key="try-2")
    assert (problem(pending), pending.headers["retry-after"]) == ((503, "worker_unavailable"), "2")
    monkeypatch.undo()
    async with open_shop(temporal_client, engine) as shop:
        again = await storefront.post(f"{place}/payment", ANOTHER, key="try-2", wait=20)
        assert (again.status_code, again.json()["status"]) == (200, "confirmed")
        assert len(shop.gateway.charged) == 1
