"""Which steps run within the workflow task, and what an operator sees of one that does not get done there."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from checkout.domain.commands import Cancel, ResolvePayment
from checkout.domain.errors import OutcomeUnknown
from checkout.domain.messages import Line, Timeouts
from checkout.domain.states import CheckoutStatus, Reason
from tests.support.invariants import violations
from tests.support.shop import Handle, Shop, open_shop, until_status
from tests.support.stock import Stock
from workflows.checkout import CheckoutWorkflow


async def scheduled(handle: Handle) -> list[str]:
    """The activities that the server was asked to run."""
    history = await handle.fetch_history()
    attributes = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [one.activity_type.name for one in attributes if one.activity_id]


async def pending(handle: Handle) -> list[Any]:
    """What an operator sees pending in the UI."""
    return list((await handle.describe()).raw_description.pending_activities)


@pytest.mark.parametrize(
    ("sku", "by_the_server"), [("MUG", ["charge_payment"]), ("FREE", ["confirm_order"])], ids=["paid", "for nothing"]
)
async def test_the_history_announces_the_pivot_before_it_runs(shop: Shop, sku: str, by_the_server: list[str]) -> None:
    """By the answer that leads to it, or where there is none, by itself."""
    handle = await shop.start(lines=(Line(sku, 2),), expected_total_minor=None)
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    assert await scheduled(handle) == by_the_server


async def test_the_pivot_never_runs_in_the_task_of_another_write(shop: Shop) -> None:
    """Support says that it was paid; writing that down may be lost with the task, and so may the command."""
    shop.gateway.charge_results[1] = shop.gateway.find_result = OutcomeUnknown("away")
    handle = await shop.start(timeouts=Timeouts(payment_stuck_after_seconds=1))
    await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    word = ResolvePayment("support:desk", "the bank says so", captured=True, provider_reference="pi_1")
    await handle.execute_update(CheckoutWorkflow.resolve_payment, word)
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    assert (await scheduled(handle))[-2:] == ["resolve_payment", "confirm_order"]


@pytest.mark.parametrize("how", ["customer", "operator"])
async def test_a_cancel_that_arrives_with_the_charges_result_is_too_late(
    temporal_client: Client, engine: AsyncEngine, stock: Stock, how: str
) -> None:
    """A task that was lost may have confirmed upon that answer, so every task does."""
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        shop.gateway.let_go.clear()
        handle = await shop.start()
        await shop.gateway.arrived.wait()
        # Answered when the worker takes no workflow task any more; the next worker hears of both at once.
        asyncio.get_running_loop().call_later(0.5, shop.gateway.let_go.set)
    history = await handle.fetch_history()
    assert [event.event_type for event in history.events[-2:]] == [
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    ]
    if how == "operator":
        await handle.cancel()
        update = None
    else:
        update = asyncio.create_task(handle.execute_update(CheckoutWorkflow.cancel, Cancel()))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(update), 1)
    async with open_shop(temporal_client, engine):
        assert (await handle.result()).status == CheckoutStatus.CONFIRMED
        if update:
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await update
            assert isinstance(refused.value.cause, ApplicationError)
            assert refused.value.cause.type == "NotCancellable"
    assert await violations(engine) == []


async def test_a_step_that_hangs_is_pending_where_operators_look(shop: Shop) -> None:
    async with shop.engine.begin() as rival:
        await rival.execute(text("SELECT FROM products FOR UPDATE"))
        handle = await shop.start()
        while not (waiting := await pending(handle)):
            await asyncio.sleep(0.01)
        assert [one.activity_type.name for one in waiting] == ["reserve_stock"]
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_a_step_that_fails_is_pending_with_its_error(shop: Shop) -> None:
    async with shop.engine.begin() as rival:
        await rival.execute(text("ALTER TABLE checkouts RENAME TO hidden"))
    handle = await shop.start()
    while not any(one.HasField("last_failure") for one in await pending(handle)):
        await asyncio.sleep(0.01)
    (waiting,) = await pending(handle)
    assert "checkouts" in waiting.last_failure.message
    async with shop.engine.begin() as rival:
        await rival.execute(text("ALTER TABLE hidden RENAME TO checkouts"))
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


@pytest.mark.parametrize("how", ["customer", "operator"])
async def test_a_step_cancelled_while_running_settles_and_is_undone(shop: Shop, how: str) -> None:
    async with shop.engine.begin() as rival:
        await rival.execute(text("SELECT FROM products FOR UPDATE"))
        handle = await shop.start()
        while not await shop.value("SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0)
        if how == "operator":
            await handle.cancel()
        else:
            update = asyncio.create_task(handle.execute_update(CheckoutWorkflow.cancel, Cancel()))
            await asyncio.sleep(0)
    view = await handle.result()
    assert view.status == CheckoutStatus.CANCELLED
    if how == "customer":
        assert (await update).status != CheckoutStatus.CONFIRMED


@pytest.mark.parametrize("how", ["customer", "operator"])
async def test_a_rejection_stays_a_rejection_when_a_cancel_arrives(shop: Shop, how: str) -> None:
    """The answer of the step is lost to the cancellation; the tables have it."""
    async with shop.engine.begin() as rival:
        await rival.execute(text("SELECT FROM products FOR UPDATE"))
        handle = await shop.start(lines=(Line("MUG", 100),))
        while not await pending(handle):
            await asyncio.sleep(0.01)
        while not await shop.value("SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.01)
        if how == "operator":
            await handle.cancel()
            await until_status(handle, CheckoutStatus.COMPENSATING)
        else:
            await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    view = await handle.result()
    assert (view.status, view.reason) == (CheckoutStatus.REJECTED, Reason.OUT_OF_STOCK)
    assert await shop.row("SELECT status, reason FROM checkouts") == {"status": "rejected", "reason": "out_of_stock"}
