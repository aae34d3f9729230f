"""What is refused at once leaves no trace: neither in the history nor among the updates that Temporal counts."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowUpdateFailedError

from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment, SubmitPayment
from checkout.domain.states import CheckoutStatus, Reason
from checkout.temporal.client import connect
from tests.support.charges import CAPTURED, DECLINED, refusal
from tests.support.invariants import violations
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.servers import temporal_with
from tests.support.shop import Handle, Shop, open_shop, until_status
from tests.support.stock import Stock
from workflows.checkout import CheckoutWorkflow

#: What Temporal takes in one run is two thousand; here it is less, and more are sent.
LIMIT, MANY = 50, 220
PAY = SubmitPayment("pm_other")
RETRY = RetryPayment("support:desk", "the customer calls")
RESOLVE = ResolvePayment("support:desk", "the bank says so", captured=False)


async def length(handle: Handle) -> int:
    return (await handle.describe()).history_length


@pytest.fixture
async def narrow_shop(engine: AsyncEngine, stock: Stock) -> AsyncIterator[Shop]:
    """On a server that takes few updates in one run."""
    await stock({"MUG": (1290, "EUR", 7)})
    async with (
        temporal_with(f"history.maxTotalUpdates={LIMIT}") as server,
        open_shop(await connect(server.settings), engine) as shop,
    ):
        yield shop
    assert await violations(engine) == []


async def test_refused_updates_add_no_history_and_count_towards_no_limit(narrow_shop: Shop) -> None:
    narrow_shop.gateway.let_go.clear()
    handle = await narrow_shop.start()
    await narrow_shop.gateway.arrived.wait()
    before = await length(handle)
    turns = asyncio.Semaphore(8)

    async def press() -> None:
        async with turns:
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(CheckoutWorkflow.submit_payment, PAY)

    await asyncio.gather(*(press() for _ in range(MANY)))
    assert await length(handle) == before
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel(Reason.CANCELLED_BY_SUPPORT, "support:desk", "why"))
    narrow_shop.gateway.let_go.set()
    assert (await handle.result()).status == CheckoutStatus.CANCELLED


async def test_each_update_is_refused_before_it_is_written(shop: Shop) -> None:
    shop.gateway.charge_result = DECLINED
    handle = await shop.start()
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    before = await length(handle)
    assert await refusal(handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)) == "NotStuck"
    assert await refusal(handle.execute_update(CheckoutWorkflow.resolve_payment, RESOLVE)) == "NotStuck"
    assert await length(handle) == before
    shop.gateway.let_go.clear()
    shop.gateway.arrived.clear()
    shop.gateway.charge_result = CAPTURED
    await handle.execute_update(CheckoutWorkflow.submit_payment, PAY)
    await shop.gateway.arrived.wait()
    before = await length(handle)
    assert await refusal(handle.execute_update(CheckoutWorkflow.submit_payment, PAY)) == "NotAwaitingPayment"
    assert await length(handle) == before
    shop.gateway.let_go.set()
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_a_refused_update_can_be_sent_again_under_its_id(shop: Shop) -> None:
    shop.gateway.let_go.clear()
    shop.gateway.charge_results[1] = DECLINED
    handle = await shop.start()
    await shop.gateway.arrived.wait()
    press = handle.execute_update(CheckoutWorkflow.submit_payment, PAY, id="payment-1")
    assert await refusal(press) == "NotAwaitingPayment"
    shop.gateway.let_go.set()
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    await handle.execute_update(CheckoutWorkflow.submit_payment, PAY, id="payment-1")
    assert (await handle.result()).payment.attempts == 2


async def test_a_payment_submitted_before_the_first_step_is_refused(
    temporal_client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    """In the first workflow task the handlers are called before the story has begun."""
    await stock({"MUG": (1290, "EUR", 7)})
    handle = await Shop(engine, temporal_client, ScriptedGateway()).start()
    press = asyncio.create_task(handle.execute_update(CheckoutWorkflow.submit_payment, PAY))
    with pytest.raises(asyncio.TimeoutError):  # Accepted by the server, though by nobody else yet.
        await asyncio.wait_for(asyncio.shield(press), 1)
    async with open_shop(temporal_client, engine):
        assert await refusal(press) == "NotAwaitingPayment"
        assert (await handle.result()).status == CheckoutStatus.CONFIRMED
