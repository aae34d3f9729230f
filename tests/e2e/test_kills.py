"""Every process is killed while checkouts are under way, and all of them end right: the provider's ledger judges."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from checkout.domain.messages import Timeouts
from tests.e2e.driver import driving, everything_agrees
from tests.support.dev_process import ROLES, DevProcess, checkout_dev, temporary_directory
from workflows.checkout import STEPS

pytestmark = pytest.mark.alone

METHODS = (
    "pm_card_visa",
    "pm_sandbox_wrong_amount",
    "pm_sandbox_lost_response",
    "pm_sandbox_error_after_charge",
    "pm_sandbox_flaky",
)


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[DevProcess]:
    environment = {"CHECKOUT_PROVIDER_TIMEOUT_SECONDS": "2"}
    async with (
        temporary_directory() as directory,
        checkout_dev(directory, "--ephemeral", environment=environment) as dev,
        driving(dev) as driver,
    ):
        # Slow enough that a kill finds checkouts in the middle of everything.
        await driver.faults(latency_ms=150)
        yield dev


def _pid(dev: DevProcess, role: str) -> int:
    """Of the process as it is now: the log tells of every restart."""
    restarts = re.findall(rf"{role} died .*restarted as pid (\d+)", dev.log_text())
    return int(restarts[-1]) if restarts else dev.pids[role]


@pytest.mark.parametrize("role", ROLES)
async def test_checkouts_end_right_after_each_process_was_killed(stack: DevProcess, role: str) -> None:
    async with driving(stack) as driver:
        starts = [asyncio.create_task(driver.start(METHODS[n % len(METHODS)])) for n in range(20)]
        await asyncio.wait(starts, return_when=asyncio.FIRST_COMPLETED)
        os.kill(_pid(stack, role), signal.SIGKILL)
        started = await asyncio.gather(*starts)
        views = await asyncio.gather(*(driver.end(view["id"]) for view in started))
        expected = ["cancelled" if n % len(METHODS) == 1 else "confirmed" for n in range(20)]
        assert [view["status"] for view in views] == expected
        await everything_agrees(stack, driver, views)


async def test_a_worker_that_is_asked_to_stop_finishes_what_it_began(stack: DevProcess) -> None:
    temporal = await Client.connect(stack.info["temporal_address"])
    async with driving(stack) as driver:
        await driver.faults(latency_ms=1000)
        started = await asyncio.gather(*(driver.start("pm_card_visa") for _ in range(5)))
        handles = [temporal.get_workflow_handle(view["id"]) for view in started]
        while not all([await _is_charging(handle) for handle in handles]):
            await asyncio.sleep(0.05)
        os.kill(_pid(stack, "worker"), signal.SIGTERM)
        views = await asyncio.gather(*(driver.end(view["id"]) for view in started))
        await driver.faults(latency_ms=0)
        await everything_agrees(stack, driver, views)
    tries = [
        event.activity_task_started_event_attributes.attempt
        for handle in handles
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_started_event_attributes")
    ]
    regular = [step for step in STEPS if not step.policy(Timeouts()).local_first]
    assert tries == [1] * len(regular) * len(views)


async def _is_charging(handle: WorkflowHandle[Any, Any]) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return any(a.activity_type.name == "charge_payment" and a.HasField("last_started_time") for a in pending)
