"""The support routes over real HTTP, on a real Temporal, with the real worker on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.support import service, visibility
from checkout.domain.errors import ProviderUnavailable
from checkout.domain.payments import Charge
from checkout.domain.reconcile import ReconcileRequest
from checkout.domain.states import PaymentStatus
from checkout.temporal.names import TASK_QUEUE
from tests.support.api_process import STOREFRONT_KEY, SUPPORT_KEY, Storefront, open_storefront, problem
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock

PLACE = "/v1/support/checkouts"
NOWHERE = f"{PLACE}/chk_aaaaaaaaaaaaaaaaaaaaaaaaaa"
CAPTURED = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
WHY = {"reason": "ticket 4711"}


@pytest.fixture
async def gateway(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[ScriptedGateway]:
    await stock({"MUG-WHITE": (1290, "EUR", 70)})
    async with open_shop(temporal_client, engine) as shop:
        yield shop.gateway
        shop.gateway.let_go.set()


@pytest.fixture
async def storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    ui = "http://ui.example/temporal/"
    async with open_storefront(temporal_client, payment_stuck_after_seconds=0.3, temporal_ui_url=ui) as storefront:
        yield storefront


async def stuck(storefront: Storefront, gateway: ScriptedGateway, **changes: Any) -> str:
    """A checkout whose payment is stuck, and whose provider is still away."""
    gateway.charge_result = gateway.find_result = gateway.void_result = ProviderUnavailable("away")
    response = await storefront.buy(wait=20, **changes)
    assert response.json()["status"] == "payment_stuck"
    return f"{PLACE}/{response.json()['id']}"


async def look(storefront: Storefront, place: str, **parameters: Any) -> httpx.Response:
    query = str(httpx.QueryParams(parameters))
    return await storefront.get(f"{place}?{query}" if query else place, caller=SUPPORT_KEY)


async def act(storefront: Storefront, place: str, body: Any, key: str | None = None) -> httpx.Response:
    return await storefront.post(place, body, caller=SUPPORT_KEY, key=key)


async def ended(storefront: Storefront, place: str) -> dict[str, Any]:
    storefronts_own = place.replace("/support", "")
    response = await storefront.get(storefronts_own, wait=20)
    return dict(response.json())


async def listed(storefront: Storefront, **parameters: Any) -> list[dict[str, Any]]:
    response = await look(storefront, PLACE, **parameters)
    assert response.status_code == 200, response.text
    return list(response.json()["checkouts"])


async def until_listed(storefront: Storefront, count: int, **parameters: Any) -> list[dict[str, Any]]:
    """The visibility store learns of everything a moment later."""
    while len(found := await listed(storefront, **parameters)) != count:
        await asyncio.sleep(0.05)
    return found


async def test_support_reads_the_whole_timeline_of_any_checkout(
    storefront: Storefront, gateway: ScriptedGateway, temporal_client: Client
) -> None:
    place = await stuck(storefront, gateway)
    response = await look(storefront, place)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    story = response.json()
    assert (story["status"], story["payment"]["status"], story["workflow"]) == ("payment_stuck", "unknown", "running")
    assert story["can"] == ["retry_payment", "resolve_payment", "cancel"]
    assert [entry["what"] for entry in story["timeline"]][:1] == ["stock reserved"]
    assert {entry["kind"] for entry in story["timeline"]} == {"step", "attempt"}
    assert set(story["timeline"][0]) == {"at", "kind", "what", "actor", "reason"}
    workflows = f"http://ui.example/temporal/namespaces/{temporal_client.namespace}/workflows/{story['id']}/"
    assert story["temporal_ui_url"].startswith(workflows)


async def test_a_retry_charges_again_once_the_outcome_is_settled(
    storefront: Storefront, gateway: ScriptedGateway
) -> None:
    place = await stuck(storefront, gateway)
    gateway.void_result, gateway.charge_result = None, CAPTURED
    retried = await act(storefront, f"{place}/retry-payment", WHY | {"payment_method": "pm_card_mastercard"})
    assert (retried.status_code, retried.headers["location"]) == (202, place)
    assert (await ended(storefront, place))["status"] == "confirmed"
    assert gateway.charged[-1].payment_method == "pm_card_mastercard"
    story = (await look(storefront, place)).json()
    staff = [
        (entry["what"], entry["actor"], entry["reason"]) for entry in story["timeline"] if entry["kind"] == "staff"
    ]
    assert staff == [("retry_payment", "support:desk", "ticket 4711")]
    assert story["can"] == []
    assert problem(await act(storefront, f"{place}/retry-payment", WHY)) == (409, "not_stuck")


async def test_a_retry_is_refused_while_the_outcome_is_unknown(
    storefront: Storefront, gateway: ScriptedGateway
) -> None:
    place = await stuck(storefront, gateway)
    charges = len({attempt.number for attempt in gateway.charged})
    refused = await act(storefront, f"{place}/retry-payment", WHY)
    assert problem(refused) == (409, "outcome_still_unknown")
    assert "Nothing was charged" in refused.json()["detail"]
    assert len({attempt.number for attempt in gateway.charged}) == charges
    assert (await look(storefront, place)).json()["status"] == "payment_stuck"


async def test_three_retries_at_once_under_one_key_are_one_charge(
    storefront: Storefront, gateway: ScriptedGateway
) -> None:
    place = await stuck(storefront, gateway)
    gateway.void_result, gateway.charge_result = None, CAPTURED
    actions = await asyncio.gather(*(act(storefront, f"{place}/retry-payment", WHY, key="once") for _ in range(3)))
    assert {response.status_code for response in actions} == {202}
    assert (await ended(storefront, place))["payment"]["attempts"] == 2
    late = await act(storefront, f"{place}/retry-payment", WHY, key="once")
    assert late.status_code == 202
    other = await act(storefront, f"{place}/retry-payment", {"reason": "another"}, key="once")
    assert problem(other) == (422, "idempotency_key_reused")


async def test_a_capture_that_only_a_person_can_know_confirms_the_order(
    storefront: Storefront, gateway: ScriptedGateway
) -> None:
    place = await stuck(storefront, gateway)
    said = {"outcome": "captured", "reason": "seen in the dashboard"}
    without_proof = await act(storefront, f"{place}/resolve-payment", said)
    assert problem(without_proof) == (409, "contradicted_by_provider")
    resolved = await act(storefront, f"{place}/resolve-payment", said | {"provider_reference": "pi_1"})
    assert resolved.status_code == 202
    assert (await ended(storefront, place))["status"] == "confirmed"


async def test_a_lie_about_a_payment_is_refused(storefront: Storefront, gateway: ScriptedGateway) -> None:
    place = await stuck(storefront, gateway)
    gateway.find_result = gateway.void_result = None
    lie = await act(storefront, f"{place}/resolve-payment", {"outcome": "captured", "reason": "I think so"})
    assert problem(lie) == (409, "contradicted_by_provider")
    assert "knows of no payment" in lie.json()["detail"]
    truth = await act(storefront, f"{place}/resolve-payment", {"outcome": "not_charged", "reason": "asked the bank"})
    assert truth.status_code == 202
    assert (await ended(storefront, place))["payment"]["status"] in ("voided", "captured", "declined")


async def test_support_cancels_with_a_reason(storefront: Storefront, gateway: ScriptedGateway) -> None:
    place = await stuck(storefront, gateway)
    gateway.void_result = None
    actions = await asyncio.gather(*(act(storefront, f"{place}/cancel", WHY) for _ in range(3)))
    assert {response.status_code for response in actions} == {202}
    view = await ended(storefront, place)
    assert (view["status"], view["reason"]) == ("cancelled", "cancelled_by_support")
    story = (await look(storefront, place)).json()
    assert [(e["actor"], e["reason"]) for e in story["timeline"] if e["kind"] == "staff"] == [
        ("support:desk", "ticket 4711")
    ]
    assert (await act(storefront, f"{place}/cancel", WHY)).status_code == 202


async def test_what_is_confirmed_cannot_be_acted_upon(storefront: Storefront, gateway: ScriptedGateway) -> None:
    bought = await storefront.buy(wait=20)
    place = f"{PLACE}/{bought.json()['id']}"
    assert problem(await act(storefront, f"{place}/cancel", WHY)) == (409, "not_cancellable")
    assert problem(await act(storefront, f"{place}/retry-payment", WHY)) == (409, "not_stuck")
    resolution = {"outcome": "captured", "reason": "why"}
    assert problem(await act(storefront, f"{place}/resolve-payment", resolution)) == (409, "not_stuck")


@pytest.mark.parametrize("action", ["retry-payment", "resolve-payment", "cancel"])
async def test_a_refused_action_names_its_reason(storefront: Storefront, action: str) -> None:
    place, body = f"{NOWHERE}/{action}", WHY | ({"outcome": "captured"} if action == "resolve-payment" else {})
    assert problem(await storefront.post(place, body, caller="nobody")) == (401, "unauthorized")
    assert problem(await storefront.post(place, body, caller=STOREFRONT_KEY)) == (403, "wrong_scope")
    assert problem(await act(storefront, place, body)) == (404, "unknown_checkout")
    assert problem(await act(storefront, place, body | {"reason": " "})) == (422, "invalid_request")
    assert problem(await act(storefront, place, {})) == (422, "invalid_request")
    assert problem(await act(storefront, place, body, key="k" * 256)) == (400, "idempotency_key_malformed")
    nothing = await storefront.client.post(place, headers={"Authorization": f"Bearer {SUPPORT_KEY}"})
    assert problem(nothing) == (415, "unsupported_media_type")


@pytest.mark.parametrize("place", [PLACE, NOWHERE])
async def test_a_refused_look_up_names_its_reason(storefront: Storefront, place: str) -> None:
    assert problem(await storefront.get(place, caller="nobody")) == (401, "unauthorized")
    assert problem(await storefront.get(place, caller=STOREFRONT_KEY)) == (403, "wrong_scope")
    assert problem(await look(storefront, NOWHERE)) == (404, "unknown_checkout")


async def test_the_list_is_filtered_and_newest_first(storefront: Storefront, gateway: ScriptedGateway) -> None:
    first = await storefront.buy(customer_id="cus_1", wait=20)
    place = await stuck(storefront, gateway, customer_id="x`OR%1_=;--1")
    gateway.charge_result = CAPTURED
    gateway.charge_results.clear()
    last = await storefront.buy(customer_id="cus_1", wait=20)
    everything = await until_listed(storefront, 3)
    ids = [first.json()["id"], place.rpartition("/")[2], last.json()["id"]]
    assert [row["id"] for row in everything] == ids[::-1]
    [waiting] = await until_listed(storefront, 1, status="payment_stuck")
    assert (waiting["id"], waiting["workflow"], waiting["ended_at"]) == (ids[1], "running", None)
    assert waiting["payment_status"] == "unknown"
    assert [row["id"] for row in await until_listed(storefront, 2, status="confirmed")] == [ids[2], ids[0]]
    assert [row["id"] for row in await listed(storefront, customer_id="x`OR%1_=;--1")] == [ids[1]]
    number = last.json()["order_number"]
    [found] = await listed(storefront, order_number=number)
    assert (found["id"], found["order_number"], found["workflow"]) == (ids[2], number, "completed")
    assert [row["id"] for row in await listed(storefront, since=waiting["created_at"])] == [ids[2], ids[1]]
    assert [row["id"] for row in await listed(storefront, until=waiting["created_at"])] == [ids[0]]
    assert await listed(storefront, customer_id="cus_1", status="payment_stuck") == []


async def test_a_quote_in_a_filter_is_refused_and_never_finds_another_customer(
    storefront: Storefront, gateway: ScriptedGateway
) -> None:
    for customer in ("x", "'x", "x'", "a''b", "a\\'b", 'x"OR"1"="1'):
        await storefront.buy(customer_id=customer, wait=20)
    await until_listed(storefront, 6)
    assert [row["customer_id"] for row in await listed(storefront, customer_id="x")] == ["x"]
    for customer in ("'x", "x'", "a''b", "a\\'b", 'x"OR"1"="1'):
        for field in ("customer_id", "order_number"):
            refused = await look(storefront, PLACE, **{field: customer})
            assert problem(refused) == (422, "invalid_query")
            assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_no_row_is_returned_that_was_not_asked_for(
    storefront: Storefront, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever Temporal makes of a filter: here it makes nothing of it."""
    await storefront.buy(customer_id="cus_1", wait=20)
    await storefront.buy(customer_id="cus_2", wait=20)
    await until_listed(storefront, 2)
    monkeypatch.setattr(visibility.Window, "filter", lambda _: "WorkflowType = 'CheckoutWorkflow'")
    assert [row["customer_id"] for row in await listed(storefront, customer_id="cus_2")] == ["cus_2"]
    assert await listed(storefront, customer_id="cus_2", status="cancelled") == []


@pytest.mark.parametrize("at_once", [visibility.MAX_SORTED, 3])
async def test_pages_repeat_nothing_and_miss_nothing(
    storefront: Storefront, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(visibility, "MAX_SORTED", at_once)
    bought = [(await storefront.buy(wait=20)).json()["id"] for _ in range(7)]
    await until_listed(storefront, 7, status="confirmed")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await look(storefront, PLACE, status="confirmed", limit=2, **cursor)).json()
        seen += [row["id"] for row in page["checkouts"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        await storefront.buy(wait=20)
    assert seen == bought[::-1]
    other_list = await look(storefront, PLACE, status="cancelled", **cursor)
    assert problem(other_list) == (422, "invalid_query")


async def test_a_list_that_means_nothing_is_refused(storefront: Storefront) -> None:
    assert problem(await look(storefront, PLACE, status="stuck")) == (422, "invalid_query")
    assert problem(await look(storefront, PLACE, page=2)) == (422, "invalid_query")
    twice = await storefront.get(f"{PLACE}?limit=1&limit=2", caller=SUPPORT_KEY)
    assert problem(twice) == (422, "invalid_query")


async def test_a_terminated_workflow_is_shown_and_takes_no_action(
    storefront: Storefront, gateway: ScriptedGateway, temporal_client: Client
) -> None:
    place = await stuck(storefront, gateway)
    await temporal_client.get_workflow_handle(place.rpartition("/")[2]).terminate()
    story = (await look(storefront, place)).json()
    assert (story["status"], story["workflow"], story["can"]) == ("payment_stuck", "terminated", [])
    assert story["timeline"]
    for action, kind in (("retry-payment", "not_stuck"), ("cancel", "not_cancellable")):
        refused = await act(storefront, f"{place}/{action}", WHY)
        assert problem(refused) == (409, kind)
        assert "terminated" in refused.json()["detail"]
    [row] = await until_listed(storefront, 1)
    while (row := (await listed(storefront))[0])["workflow"] == "running":
        await asyncio.sleep(0.05)
    assert (row["status"], row["workflow"]) == ("payment_stuck", "terminated")


async def test_without_a_worker_support_sees_what_temporal_knows(
    storefront: Storefront, temporal_client: Client, engine: AsyncEngine, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ACTION_SECONDS", 1.0)
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        place = await stuck(storefront, shop.gateway)
        bought = f"{PLACE}/{await confirmed(storefront, shop.gateway)}"
    story = await look(storefront, place)
    assert (story.status_code, story.headers["checkout-view"]) == (200, "stale")
    assert (story.json()["status"], story.json()["timeline"]) == ("payment_stuck", None)
    sold = await look(storefront, bought)
    assert (sold.json()["status"], sold.json()["timeline"], "checkout-view" in sold.headers) == (
        "confirmed",
        None,
        False,
    )
    pending = await act(storefront, f"{place}/cancel", WHY)
    assert (problem(pending), pending.headers["retry-after"]) == ((503, "worker_unavailable"), "2")


async def confirmed(storefront: Storefront, gateway: ScriptedGateway) -> str:
    gateway.charge_result = CAPTURED
    return str((await storefront.buy(wait=20)).json()["id"])


async def test_the_metrics_show_how_many_wait_and_the_mismatches(
    storefront: Storefront, gateway: ScriptedGateway, temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.support.overview.FRESH_SECONDS", 0.1)
    text = (await storefront.client.get("/metrics")).text
    assert "checkout_reconcile_mismatches NaN" in text
    assert (await look(storefront, PLACE)).json()["mismatches"] is None
    await stuck(storefront, gateway)
    while 'checkout_open_checkouts{status="payment_stuck"} 1.0' not in text:
        text = (await storefront.client.get("/metrics")).text
    assert 'checkout_open_checkouts{status="awaiting_payment"} 0.0' in text
    report = await temporal_client.execute_workflow(
        RECONCILE_WORKFLOW, ReconcileRequest(), id="reconcile-1", task_queue=TASK_QUEUE
    )
    unrepaired = report["found"] - report["repaired"]
    while f"checkout_reconcile_mismatches {unrepaired}.0" not in text:
        text = (await storefront.client.get("/metrics")).text
    assert (await look(storefront, PLACE)).json()["mismatches"] == unrepaired


async def test_without_temporal_the_metrics_respond_and_other_routes_are_503() -> None:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    async with open_storefront(nowhere) as storefront:
        metrics = await storefront.client.get("/metrics")
        assert (metrics.status_code, "checkout_overview_timestamp_seconds 0.0" in metrics.text) == (200, True)
        assert problem(await look(storefront, PLACE)) == (503, "temporal_unavailable")
        assert problem(await look(storefront, NOWHERE)) == (503, "temporal_unavailable")
        assert problem(await act(storefront, f"{NOWHERE}/cancel", WHY)) == (503, "temporal_unavailable")
