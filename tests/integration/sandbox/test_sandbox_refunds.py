"""The sandbox provider's refunds take their time and fail as Stripe's do, and the charge says what is back."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.sandbox_calls import Json, charge_of, listed, paid, post, told_of
from tests.support.sandbox_server import SandboxServer, sandbox_server
from tests.support.waiting import until


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("sandbox")) as server:
        yield server


@pytest.fixture
def http(sandbox: SandboxServer) -> httpx.AsyncClient:
    return sandbox.http


async def until_it_is(http: httpx.AsyncClient, refund: Json, status: str) -> Json:
    async def ask() -> Json:
        found: Json = (await http.get(f"/v1/refunds/{refund['id']}")).json()
        return found

    return await until(ask, lambda it: it["status"] == status)


async def test_a_refund_is_told_with_its_charge(http: httpx.AsyncClient) -> None:
    intent = await paid(http)
    refund = (await post(http, "refunds", payment_intent=intent, amount=1000)).json()
    assert refund["status"] == "succeeded"
    assert await told_of(http, intent) == ["payment_intent.succeeded", "refund.created", "charge.refunded"]
    charge = await charge_of(http, intent)
    assert (charge["amount_refunded"], charge["refunded"], charge["disputed"]) == (1000, False, False)


async def test_a_pending_refund_counts_at_once_and_succeeds_later(http: httpx.AsyncClient) -> None:
    intent = await paid(http, "pm_sandbox_refund_pending")
    refund = (await post(http, "refunds", payment_intent=intent)).json()
    assert (refund["status"], refund["pending_reason"]) == ("pending", "processing")
    assert (await charge_of(http, intent))["amount_refunded"] == 2580
    done = await until_it_is(http, refund, "succeeded")
    assert "pending_reason" not in done
    assert (await charge_of(http, intent))["refunded"] is True
    assert (await told_of(http, intent))[-2:] == ["refund.updated", "charge.refund.updated"]


async def test_a_refund_that_fails_gives_its_amount_back_and_the_next_one_holds(http: httpx.AsyncClient) -> None:
    intent = await paid(http, "pm_sandbox_refund_fails")
    refund = (await post(http, "refunds", payment_intent=intent)).json()
    assert refund["status"] == "succeeded"
    failed = await until_it_is(http, refund, "failed")
    assert failed["failure_reason"] == "expired_or_canceled_card"
    assert (await charge_of(http, intent))["amount_refunded"] == 0
    assert (await told_of(http, intent))[-3:] == ["refund.failed", "refund.updated", "charge.refund.updated"]
    second = (await post(http, "refunds", payment_intent=intent)).json()
    assert second["status"] == "succeeded"
    charge = await charge_of(http, intent)
    assert (charge["amount_refunded"], charge["refunded"]) == (2580, True)
    rows = (await http.get("/v1/refunds", params={"payment_intent": intent})).json()["data"]
    assert [one["status"] for one in rows] == ["succeeded", "failed"]


async def test_a_refund_turns_while_the_provider_is_down(sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
    intent = await paid(http, "pm_sandbox_refund_pending")
    refund = (await post(http, "refunds", payment_intent=intent)).json()
    await sandbox.kill_and_restart()
    await until_it_is(http, refund, "succeeded")


async def test_refunds_are_listed_by_time(http: httpx.AsyncClient) -> None:
    intent = await paid(http)
    refund = (await post(http, "refunds", payment_intent=intent)).json()
    for bounds, there in (({"created[gte]": refund["created"]}, True), ({"created[gt]": refund["created"]}, False)):
        found = await listed(http, "refunds", payment_intent=intent, **bounds)
        assert [one["id"] for one in found] == ([refund["id"]] if there else [])
    assert await listed(http, "refunds", charge=refund["charge"]) == [refund]
