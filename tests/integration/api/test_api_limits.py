"""What a client in a loop is told, whom it does not hold up, and what Temporal's own limits look like over HTTP."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from checkout.domain.commands import RetryPayment
from checkout.domain.errors import OutcomeUnknown, ProviderUnavailable
from checkout.domain.events import PaymentEvent
from checkout.domain.payments import Attempt, Charge
from checkout.provisioning.search_attributes import register_search_attributes
from checkout_lab.stack.servers.temporal import DevTemporal
from tests.support.api_process import SUPPORT_KEY, Storefront, open_storefront, problem
from tests.support.charges import CAPTURED, DECLINED, PENDING
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.servers import fresh_namespace, temporal_with
from tests.support.shop import open_shop
from tests.support.stock import Stock
from workflows.checkout import CheckoutWorkflow

ANOTHER = {"payment_method": "pm_card_mastercard"}
WHY = {"reason": "ticket 4711"}
#: The server suggests a new run from so many events on, and takes so many updates in a run.
EVENTS, UPDATES = 60, 20


@pytest.fixture(scope="module")
async def narrow_server() -> AsyncIterator[DevTemporal]:
    limits = (f"limit.historyCount.suggestContinueAsNew={EVENTS}", f"history.maxTotalUpdates={UPDATES}")
    async with temporal_with(*limits) as server:
        yield server


@pytest.fixture
async def client(narrow_server: DevTemporal) -> Client:
    client = await fresh_namespace(narrow_server)
    await register_search_attributes(client)
    return client


@pytest.fixture
async def gateway(client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[ScriptedGateway]:
    await stock({"MUG-WHITE": (1290, "EUR", 70)})
    async with open_shop(client, engine) as shop:
        yield shop.gateway
        shop.gateway.let_go.set()


@pytest.fixture
async def storefront(client: Client) -> AsyncIterator[Storefront]:
    """Its charges have longer than any test takes, so that none is given up while a test holds it."""
    async with open_storefront(client) as storefront:
        yield storefront


@pytest.fixture
async def hasty_storefront(client: Client) -> AsyncIterator[Storefront]:
    """Its payments are soon stuck."""
    async with open_storefront(client, payment_stuck_after_seconds=0.5) as storefront:
        yield storefront


async def pending(storefront: Storefront, gateway: ScriptedGateway) -> str:
    """A checkout at the bank, between two looks."""
    gateway.charge_result = gateway.find_result = PENDING
    place = (await storefront.buy()).headers["location"]
    while gateway.looks < 5:
        await asyncio.sleep(0.05)
    return str(place)


async def support(storefront: Storefront, place: str, action: str, key: str | None = None) -> httpx.Response:
    path = f"{place.replace('/v1/', '/v1/support/')}/{action}"
    return await storefront.post(path, WHY, caller=SUPPORT_KEY, key=key)


def id_of(place: str) -> str:
    return place.rpartition("/")[2]


@pytest.mark.parametrize("who", ["customer", "support"])
async def test_a_storefront_in_a_loop_holds_up_nobody_else(
    storefront: Storefront, gateway: ScriptedGateway, client: Client, who: str
) -> None:
    place = await pending(storefront, gateway)
    before = (await client.get_workflow_handle(id_of(place)).describe()).history_length
    responses = [await storefront.post(f"{place}/payment", ANOTHER) for _ in range(3 * UPDATES)]
    told = Counter(problem(response) for response in responses)
    assert told.keys() == {(409, "no_payment_awaited"), (429, "refused_too_often")}
    assert responses[-1].headers["retry-after"] == "1"
    assert (await client.get_workflow_handle(id_of(place)).describe()).history_length - before < 20
    gateway.void_result = None
    if who == "customer":
        assert (await storefront.post(f"{place}/cancel", {})).status_code == 202
    else:
        assert (await support(storefront, place, "cancel")).status_code == 202
    assert (await storefront.get(place, wait=20)).json()["status"] == "cancelled"


async def test_the_update_limit_of_a_run_has_a_problem_of_its_own_and_an_operator_can_still_cancel(
    storefront: Storefront, gateway: ScriptedGateway, client: Client
) -> None:
    gateway.let_go.clear()
    place = (await storefront.buy()).headers["location"]
    await gateway.arrived.wait()
    responses = [await support(storefront, place, "cancel") for _ in range(UPDATES + 1)]
    assert {response.status_code for response in responses[:UPDATES]} == {202}
    assert problem(responses[-1]) == (409, "update_limit_reached")
    assert "Cancel in the Temporal UI" in responses[-1].json()["detail"]
    await client.get_workflow_handle(id_of(place)).cancel()
    gateway.let_go.set()
    assert (await storefront.get(place, wait=20)).json()["status"] == "cancelled"


async def test_too_many_updates_at_once_are_refused_without_waiting(
    hasty_storefront: Storefront, gateway: ScriptedGateway, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.charge_result = ProviderUnavailable("away")
    place = (await hasty_storefront.buy(wait=20)).headers["location"]
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(_: Attempt) -> Charge | None:
        asked.set()
        await may_answer.wait()
        raise OutcomeUnknown("away")

    monkeypatch.setattr(gateway, "void", slow)
    handle = client.get_workflow_handle(id_of(place))
    order = RetryPayment("support:desk", "the customer calls")
    first = asyncio.create_task(handle.execute_update(CheckoutWorkflow.retry_payment, order))
    await asked.wait()
    others = [asyncio.create_task(handle.execute_update(CheckoutWorkflow.retry_payment, order)) for _ in range(9)]
    async with asyncio.timeout(10):
        while problem_or_none(refused := await support(hasty_storefront, place, "retry-payment", "x")) is None:
            await asyncio.sleep(0.05)
    assert problem(refused) == (429, "too_many_at_once")
    assert refused.headers["retry-after"] == "2"
    may_answer.set()
    await asyncio.gather(first, *others, return_exceptions=True)
    monkeypatch.undo()
    assert (await support(hasty_storefront, place, "cancel")).status_code == 202
    assert (await hasty_storefront.get(place, wait=20)).json()["status"] == "cancelled"


def problem_or_none(response: httpx.Response) -> tuple[int, str] | None:
    return problem(response) if response.status_code >= 400 else None


async def next_run(client: Client, checkout_id: str) -> None:
    """Have events come until another run goes on."""
    handle = client.get_workflow_handle(checkout_id)
    first, n = await handle.describe(), 0
    while (now := await handle.describe()).run_id == first.run_id:
        if now.history_length < EVENTS + 20:
            event = PaymentEvent(f"evt_{first.run_id}_{n}", "payment_intent.processing", "pi_1", None, 0)
            await handle.signal(CheckoutWorkflow.payment_event, event)
            n += 1
        await handle.query(CheckoutWorkflow.status)


@pytest.mark.parametrize("ended", [False, True], ids=["waiting", "ended"])
async def test_a_key_means_the_same_in_every_run(
    storefront: Storefront, gateway: ScriptedGateway, client: Client, ended: bool
) -> None:
    gateway.charge_result = DECLINED
    place = (await storefront.buy(wait=20)).headers["location"]
    paid = await storefront.post(f"{place}/payment", ANOTHER, key="try-2", wait=20)
    assert (paid.status_code, paid.json()["payment"]["attempts"]) == (200, 2)
    await next_run(client, id_of(place))
    if ended:
        gateway.charge_result = CAPTURED
        last = await storefront.post(f"{place}/payment", ANOTHER, key="try-3", wait=20)
        assert last.json()["status"] == "confirmed"
    other = await storefront.post(f"{place}/payment", {"payment_method": "pm_card_amex"}, key="try-2")
    assert problem(other) == (422, "idempotency_key_reused")
    again = await storefront.post(f"{place}/payment", ANOTHER, key="try-2", wait=20)
    assert (again.status_code, again.json()["payment"]["attempts"]) == (200, 3 if ended else 2)
    assert len(gateway.charged) == (3 if ended else 2)
    if not ended:
        await storefront.post(f"{place}/cancel", {})
        assert (await storefront.get(place, wait=20)).json()["status"] == "cancelled"


async def test_support_finds_one_row_and_the_whole_timeline(
    storefront: Storefront, gateway: ScriptedGateway, client: Client
) -> None:
    gateway.charge_result = DECLINED
    bought = (await storefront.buy(wait=20)).json()
    await next_run(client, bought["id"])
    rows: list[dict[str, Any]] = []
    while len(rows) != 1 or rows[0]["created_at"] != bought["created_at"]:
        listed = await storefront.get("/v1/support/checkouts", caller=SUPPORT_KEY)
        rows = listed.json()["checkouts"]
    assert (rows[0]["id"], rows[0]["status"], rows[0]["workflow"]) == (bought["id"], "awaiting_payment", "running")
    story = (await storefront.get(f"/v1/support/checkouts/{bought['id']}", caller=SUPPORT_KEY)).json()
    assert story["timeline"][0]["what"] == "stock reserved"
    assert (story["workflow"], story["can"], story["created_at"]) == ("running", ["cancel"], bought["created_at"])
    await storefront.post(f"/v1/checkouts/{bought['id']}/cancel", {})


async def test_without_a_worker_the_view_is_that_of_the_run_before(
    storefront: Storefront, client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    await stock({"MUG-WHITE": (1290, "EUR", 70)})
    async with open_shop(client, engine) as shop:
        shop.gateway.charge_result = DECLINED
        bought = (await storefront.buy(wait=20)).json()
        await next_run(client, bought["id"])
    stale = await storefront.get(f"/v1/checkouts/{bought['id']}")
    assert stale.headers["checkout-view"] == "stale"
    assert (stale.json()["total_minor"], stale.json()["payment"]["decline_code"]) == (2580, "insufficient_funds")
