"""Every payment outcome from outside, with webhooks in every mood: stock, order and money agree at each end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client

from tests.e2e.driver import FINAL, Driver, driving, everything_agrees
from tests.support.dev_process import DevProcess, checkout_dev, temporary_directory

pytestmark = pytest.mark.alone

METHODS = (
    "pm_card_visa",
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_authenticationRequired",
    "pm_sandbox_processing",
    "pm_sandbox_lost_response",
    "pm_sandbox_error_after_charge",
    "pm_sandbox_flaky",
    "pm_sandbox_unavailable",
    "pm_sandbox_late_capture",
    "pm_sandbox_wrong_amount",
)
REASON = {"reason": "the customer calls"}


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[DevProcess]:
    environment = {
        "CHECKOUT_PROVIDER_TIMEOUT_SECONDS": "1",
        "CHECKOUT_PAYMENT_STUCK_AFTER_SECONDS": "3",
        "CHECKOUT_PAYMENT_WINDOW_SECONDS": "4",
        "CHECKOUT_RECONCILE_EVERY_SECONDS": "5",
    }
    async with (
        temporary_directory() as directory,
        checkout_dev(directory, "--ephemeral", environment=environment) as dev,
    ):
        yield dev


@pytest.fixture
async def driver(stack: DevProcess) -> AsyncIterator[Driver]:
    async with driving(stack) as driver:
        yield driver
        await driver.sandbox.post("/sandbox/recover")


async def _drive(driver: Driver, method: str) -> dict[str, Any]:
    """Buy, and do whatever the checkout asks of customer and support."""
    checkout_id = (await driver.start(method))["id"]
    while True:
        view = await driver.until(checkout_id, "awaiting_payment", "payment_stuck")
        if view["status"] in FINAL:
            return view
        if view["payment"]["next_action"]:
            approval = await driver.sandbox.post(f"{view['payment']['next_action']['url']}/approve")
            assert approval.status_code in (200, 303), approval.text
            await driver.until(checkout_id, "processing")
        elif view["status"] == "awaiting_payment":
            body = {"payment_method": "pm_card_visa"}
            await driver.shop.post(f"/v1/checkouts/{checkout_id}/payment", json=body)
        else:
            body = {**REASON, "payment_method": "pm_card_visa"}
            await driver.support.post(f"/v1/support/checkouts/{checkout_id}/retry-payment", json=body)


@pytest.mark.parametrize("webhooks", ["normal", "off", "duplicate", "shuffle"])
async def test_every_outcome_ends_right(stack: DevProcess, driver: Driver, webhooks: str) -> None:
    await driver.faults(webhooks=webhooks)
    views = await asyncio.gather(*(_drive(driver, method) for method in METHODS))
    ends = {method: view["status"] for method, view in zip(METHODS, views, strict=True)}
    assert ends.pop("pm_sandbox_wrong_amount") == "cancelled"
    assert set(ends.values()) == {"confirmed"}, ends
    await everything_agrees(stack, driver, views)


@pytest.mark.parametrize("who", ["customer", "support", "operator"])
async def test_a_cancel_at_any_moment_leaves_nothing_captured(stack: DevProcess, driver: Driver, who: str) -> None:
    temporal = await Client.connect(stack.info["temporal_address"])

    async def cancel_after(method: str, seconds: float) -> dict[str, Any]:
        checkout_id = (await driver.start(method))["id"]
        await asyncio.sleep(seconds)
        if who == "customer":
            await driver.shop.post(f"/v1/checkouts/{checkout_id}/cancel")
        elif who == "support":
            await driver.support.post(f"/v1/support/checkouts/{checkout_id}/cancel", json=REASON)
        elif (await temporal.get_workflow_handle(checkout_id).describe()).close_time is None:
            await temporal.get_workflow_handle(checkout_id).cancel()
        return await driver.end(checkout_id)

    moments = [(method, n * 0.04) for n, method in enumerate(METHODS)]
    views = await asyncio.gather(*(cancel_after(*moment) for moment in moments))
    assert {view["reason"] for view in views} <= {None, f"cancelled_by_{who}", "amount_mismatch"}
    await everything_agrees(stack, driver, views)


async def test_an_outage_of_the_provider_only_delays_checkouts(stack: DevProcess, driver: Driver) -> None:
    """It begins in the middle of charges and of undos, and lasts until payments are stuck."""
    started = await asyncio.gather(*(driver.start(method) for method in METHODS if method != "pm_sandbox_unavailable"))
    await driver.faults(outage=True)
    late = await asyncio.gather(*(driver.start("pm_card_visa") for _ in range(3)))
    stuck = await asyncio.gather(*(driver.until(view["id"], "payment_stuck") for view in late))
    assert {view["status"] for view in stuck} == {"payment_stuck"}
    refused = await driver.support.post(f"/v1/support/checkouts/{late[0]['id']}/retry-payment", json=REASON)
    assert (refused.status_code, refused.json()["code"]) == (409, "outcome_still_unknown")
    await driver.shop.post(f"/v1/checkouts/{late[1]['id']}/cancel")
    await driver.faults(outage=False)
    views = await asyncio.gather(*(driver.end(view["id"]) for view in (*started, *late)))
    assert views[-2]["status"] == "cancelled"
    await everything_agrees(stack, driver, views)


async def test_everything_at_once_ends_right(stack: DevProcess, driver: Driver) -> None:
    await driver.faults(error_rate=0.2, lost_response_rate=0.2, latency_ms=50, webhooks="duplicate")
    views = await asyncio.gather(*(_drive(driver, METHODS[n % len(METHODS)]) for n in range(33)))
    await driver.faults(error_rate=0, lost_response_rate=0, latency_ms=0, webhooks="normal")
    await everything_agrees(stack, driver, views)


async def test_a_terminated_workflow_leaves_nothing_wrong(stack: DevProcess, driver: Driver) -> None:
    temporal = await Client.connect(stack.info["temporal_address"])
    waiting = await asyncio.gather(*(driver.start("pm_card_visa_chargeDeclined") for _ in range(2)))
    for view in waiting:
        await driver.until(view["id"], "awaiting_payment")
        await temporal.get_workflow_handle(view["id"]).terminate("by a test")
    cancelled = [{**view, "status": "cancelled"} for view in waiting]
    while True:
        try:
            await everything_agrees(stack, driver, cancelled)
            break
        except AssertionError:
            await asyncio.sleep(1)
