"""What the API says when a worker, the workflow or Temporal itself is missing: the truth, and how to go on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from api.storefront import service
from checkout.config.settings import TemporalSettings
from checkout.domain.messages import CheckoutRequest
from checkout.domain.payments import Charge
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.domain.view import CheckoutView, view_at_start
from checkout.temporal.client import connect
from checkout.temporal.names import CHECKOUT_STATUS, ORDER_NUMBER, TASK_QUEUE
from checkout_lab.stack.processes.process import running
from checkout_lab.stack.servers.temporal import DevTemporal
from tests.support.api_process import Storefront, open_storefront, problem
from tests.support.heedless_worker import heedless_worker
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.servers import say
from tests.support.shop import open_shop
from tests.support.stock import Stock


@pytest.fixture
async def storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    async with open_storefront(temporal_client) as storefront:
        yield storefront


@workflow.defn(name="CheckoutWorkflow")
class BrokenWorkflow:
    """Publishes a status and breaks: by failing at once, or, for the customer `mute`, by answering no query."""

    @workflow.init
    def __init__(self, request: CheckoutRequest) -> None:
        self._request = request

    @workflow.run
    async def run(self, request: CheckoutRequest) -> CheckoutView:
        workflow.upsert_search_attributes(
            [CHECKOUT_STATUS.value_set(CheckoutStatus.PAYMENT_STUCK), ORDER_NUMBER.value_set("7KD2-9QXM")]
        )
        if request.customer_id == "mute":
            await workflow.wait_condition(lambda: False)
        raise ApplicationError("a bug", non_retryable=True)

    @workflow.query
    def status(self) -> CheckoutView:
        if self._request.customer_id == "mute":
            raise RuntimeError("a bug")
        return view_at_start(self._request)


@pytest.fixture
async def broken_worker(temporal_client: Client) -> AsyncIterator[None]:
    runner = UnsandboxedWorkflowRunner()
    async with Worker(temporal_client, task_queue=TASK_QUEUE, workflows=[BrokenWorkflow], workflow_runner=runner):
        yield


async def test_without_a_worker_a_checkout_is_accepted_and_its_view_is_called_stale(storefront: Storefront) -> None:
    accepted = await storefront.buy(key="k", wait=1)
    assert (accepted.status_code, accepted.json()["status"]) == (202, "processing")
    assert "checkout-view" not in accepted.headers
    seen = await storefront.get(accepted.headers["location"])
    assert (seen.status_code, seen.headers["checkout-view"], seen.headers["retry-after"]) == (200, "stale", "1")
    assert seen.json() == accepted.json()
    assert seen.headers["etag"] != accepted.headers["etag"]
    replayed = await storefront.buy(key="k")
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (202, "true")
    assert replayed.headers["checkout-view"] == "stale"


async def test_a_stale_view_shows_what_the_workflow_published_last(storefront: Storefront, broken_worker: None) -> None:
    accepted = await storefront.buy(customer_id="mute", wait=20)
    assert (accepted.status_code, accepted.headers["checkout-view"]) == (200, "stale")
    assert (accepted.json()["status"], accepted.json()["order_number"]) == ("payment_stuck", "7KD2-9QXM")
    assert accepted.json()["lines"][0]["sku"] == "MUG-WHITE"


async def test_without_a_worker_a_cancel_says_that_asking_again_is_safe(
    storefront: Storefront,
    temporal_client: Client,
    engine: AsyncEngine,
    stock: Stock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "CANCEL_SECONDS", 1.0)
    accepted = await storefront.buy()
    place = accepted.headers["location"]
    pending = await storefront.post(f"{place}/cancel")
    assert problem(pending) == (503, "worker_unavailable")
    assert pending.headers["retry-after"] == "2"
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    monkeypatch.undo()
    async with open_shop(temporal_client, engine):
        again = await storefront.post(f"{place}/cancel")
        assert again.status_code == 202
        ended = await storefront.get(place, wait=20)
    assert (ended.json()["status"], ended.json()["reason"]) == ("cancelled", "cancelled_by_customer")


async def test_a_checkout_that_failed_is_a_problem_for_support(storefront: Storefront, broken_worker: None) -> None:
    failed = await storefront.buy(key="k", wait=20)
    assert problem(failed) == (500, "checkout_failed")
    place = f"/v1/checkouts/{failed.json()['checkout_id']}"
    assert problem(await storefront.get(place)) == (500, "checkout_failed")
    assert problem(await storefront.get(place, wait=20)) == (500, "checkout_failed")
    assert problem(await storefront.buy(key="k")) == (500, "checkout_failed")
    assert problem(await storefront.post(f"{place}/cancel")) == (500, "checkout_failed")


async def test_a_checkout_that_was_terminated_is_a_problem_for_support(
    storefront: Storefront, temporal_client: Client
) -> None:
    accepted = await storefront.buy()
    handle = temporal_client.get_workflow_handle(accepted.json()["id"])
    waiting = asyncio.create_task(storefront.get(accepted.headers["location"], wait=20))
    await handle.terminate()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert problem(await waiting) == (500, "checkout_failed")


async def test_the_api_starts_without_temporal_and_says_so(free_port: Callable[[], int]) -> None:
    away = TemporalSettings(address=f"127.0.0.1:{free_port()}", namespace="default")
    async with open_storefront(await connect(away, lazy=True)) as storefront:
        unavailable = await storefront.buy()
        assert problem(unavailable) == (503, "temporal_unavailable")
        assert unavailable.headers["retry-after"] == "2"
        assert problem(await storefront.get("/v1/checkouts/chk_aaaaaaaaaaaaaaaaaaaaaaaaaa")) == (
            503,
            "temporal_unavailable",
        )
        assert problem(await storefront.get("/v1/checkouts/nothing-like-an-id")) == (404, "unknown_checkout")
        assert problem(await storefront.get("/readyz")) == (503, "temporal_unavailable")
        assert (await storefront.get("/healthz")).status_code == 200


async def test_an_outage_of_temporal_loses_no_checkout(
    free_port: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = DevTemporal(free_port(), database=tmp_path / "temporal.sqlite")
    async with open_storefront(await connect(server.settings, lazy=True)) as storefront:
        async with running(server.program(), say):
            accepted = await storefront.buy(key="before")
            assert accepted.status_code == 202
            waiting = asyncio.create_task(storefront.buy(key="before", wait=3))
            assert (await storefront.get("/readyz")).status_code == 200
        # Who waits while Temporal goes away is told what was true: or, if it was too early for that, to come back.
        assert (await waiting).status_code in (202, 503)
        with monkeypatch.context() as impatience:
            impatience.setattr(service, "CALL_SECONDS", 1.0)
            assert problem(await storefront.buy(key="meanwhile")) == (503, "temporal_unavailable")
            assert problem(await storefront.get(accepted.headers["location"])) == (503, "temporal_unavailable")
        async with running(server.program(), say):
            # As the problem asks: send the same request again. A server that has just started may take a moment.
            while (again := await storefront.buy(key="before")).status_code == 503:
                pass
            assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
            assert again.json()["id"] == accepted.json()["id"]
            assert (await storefront.buy(key="meanwhile")).status_code == 202


async def test_a_namespace_that_is_missing_is_not_a_checkout_that_is_missing(temporal_server: DevTemporal) -> None:
    settings = TemporalSettings(address=temporal_server.address, namespace="nobody-made-this")
    async with open_storefront(await connect(settings)) as storefront:
        assert problem(await storefront.buy()) == (503, "temporal_unavailable")
        looked = await storefront.get("/v1/checkouts/chk_aaaaaaaaaaaaaaaaaaaaaaaaaa")
        assert problem(looked) == (503, "temporal_unavailable")


async def test_a_command_that_was_lost_with_its_worker_is_taken_when_it_is_sent_again(
    storefront: Storefront, temporal_client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    """The server rejects an update that the completed task of a worker did not speak of, in words of its own."""
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    gateway = ScriptedGateway()
    gateway.charge_result = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "insufficient_funds", retryable=True)
    async with open_shop(temporal_client, engine, gateway):
        place = (await storefront.buy(wait=20)).headers["location"]
    async with heedless_worker(temporal_client):
        lost = await storefront.post(f"{place}/cancel")
        assert problem(lost) == (503, "worker_unavailable")
        assert "nothing was done" in lost.json()["detail"]
    async with open_shop(temporal_client, engine, gateway):
        assert (await storefront.post(f"{place}/cancel")).status_code == 202
        ended = await storefront.get(place, wait=20)
    assert (ended.json()["status"], ended.json()["reason"]) == ("cancelled", "cancelled_by_customer")
