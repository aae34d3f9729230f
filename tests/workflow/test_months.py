"""Checkouts that wait for months, on the server that skips time, handed from run to run on their way.

That server suggests no new run; so the tests do, as Temporal would, from so many events on. And the pauses grow to a
day here, not to an hour, so that months are some hundred looks.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from checkout.domain.errors import OutcomeUnknown
from checkout.domain.messages import Timeouts
from checkout.domain.states import CheckoutStatus
from tests.support.charges import CAPTURED, PENDING
from tests.support.invariants import violations
from tests.support.shop import Handle, Shop, open_shop, until_status
from tests.support.stock import Stock
from workflows import policies
from workflows.checkout import CheckoutWorkflow
from workflows.payment import waits

EVENTS = 400


@pytest.fixture
async def shop(
    time_skipping: WorkflowEnvironment, engine: AsyncEngine, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    """A worker whose workflows see what is changed here."""
    hourly = policies.growing_pauses

    def daily(first: float, growth: float, slowest: float) -> Iterator[float]:
        return hourly(first, growth, 24 * slowest)

    def is_suggested(info: workflow.Info) -> bool:
        return info.get_current_history_length() > EVENTS

    monkeypatch.setattr(waits, "growing_pauses", daily)
    monkeypatch.setattr(workflow.Info, "is_continue_as_new_suggested", is_suggested)
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_shop(time_skipping.client, engine, runner=UnsandboxedWorkflowRunner()) as shop:
        yield shop
    assert await violations(engine) == []


async def days(handle: Handle) -> float:
    """How long the checkout took, in days of the server's clock."""
    entries = await handle.query(CheckoutWorkflow.timeline)
    first = handle.first_execution_run_id
    assert first
    assert (await handle.describe()).run_id != first
    begun, ended = (datetime.fromisoformat(entry.at) for entry in (entries[0], entries[-1]))
    return float((ended - begun).total_seconds()) / 86_400


async def test_a_payment_that_the_bank_decides_after_ninety_days_is_confirmed(shop: Shop) -> None:
    shop.gateway.charge_result = shop.gateway.find_result = PENDING
    handle = await shop.start()
    result = asyncio.create_task(handle.result())
    while shop.gateway.looks < 150:
        await asyncio.sleep(0.01)
    shop.gateway.find_result = CAPTURED
    view = await result
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 1)
    assert await days(handle) >= 90
    assert len(await handle.query(CheckoutWorkflow.timeline)) == 6
    assert len(shop.gateway.charged) == 1


async def test_a_payment_that_is_stuck_for_sixty_days_is_confirmed(shop: Shop) -> None:
    shop.gateway.charge_result = OutcomeUnknown("away")
    handle = await shop.start(timeouts=Timeouts(payment_stuck_after_seconds=1))
    result = asyncio.create_task(handle.result())
    await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    while len(shop.gateway.charged) < 150:
        await asyncio.sleep(0.01)
    shop.gateway.charge_result = CAPTURED
    view = await result
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 1)
    assert await days(handle) >= 60
    assert {attempt.idempotency_key for attempt in shop.gateway.charged} == {f"{handle.id}-1"}
