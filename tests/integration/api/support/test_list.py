"""The list of checkouts that support reads, and the metrics that count them."""

import pytest
from temporalio.client import Client

from api.support import visibility
from checkout.domain.reconcile import ReconcileRequest
from checkout.temporal.names import RECONCILE_WORKFLOW, TASK_QUEUE
from tests.integration.api.support.calls import CAPTURED, NOWHERE, PLACE, WHY, act, listed, look, stuck, until_listed
from tests.support.api_process import SUPPORT_KEY, Storefront, open_storefront, problem
from tests.support.scripted_gateway import ScriptedGateway


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
