"""What support reads of a checkout and does with it."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.support import service
from tests.integration.api.support.calls import (
    CAPTURED,
    NOWHERE,
    PLACE,
    WHY,
    act,
    confirmed,
    ended,
    listed,
    look,
    stuck,
    until_listed,
)
from tests.support.api_process import STOREFRONT_KEY, SUPPORT_KEY, Storefront, problem
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock


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
