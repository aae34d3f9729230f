"""Which steps run within the workflow task, and what an operator sees of one that does not get done there."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from checkout.domain.requests import Cancel, Line
from checkout.domain.states import CheckoutStatus, Reason
from tests.workflow.shop import Handle, Shop, until
from workflows.checkout import CheckoutWorkflow


async def scheduled(handle: Handle) -> list[str]:
    """The activities that the server was asked to run."""
    history = await handle.fetch_history()
    attributes = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [one.activity_type.name for one in attributes if one.activity_id]


async def pending(handle: Handle) -> list[Any]:
    """What an operator sees pending in the UI."""
    return list((await handle.describe()).raw_description.pending_activities)


async def test_what_has_no_way_back_is_in_the_history_before_it_runs(shop: Shop) -> None:
    handle = await shop.start()
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    assert await scheduled(handle) == ["charge_payment", "confirm_order"]


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
async def test_cancelled_in_its_middle_a_step_comes_to_rest_and_is_undone(shop: Shop, how: str) -> None:
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
async def test_a_rejection_that_a_cancel_meets_on_its_way_stays_a_rejection(shop: Shop, how: str) -> None:
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
            await until(handle, CheckoutStatus.COMPENSATING)
        else:
            await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    view = await handle.result()
    assert (view.status, view.reason) == (CheckoutStatus.REJECTED, Reason.OUT_OF_STOCK)
    assert await shop.value("SELECT status || ' ' || reason FROM checkouts") == "rejected out_of_stock"
