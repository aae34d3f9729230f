"""A checkout that waits for long goes on in another run, and nobody can tell."""

import uuid
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from checkout.domain.commands import Cancel, SubmitPayment
from checkout.domain.reconcile import ReconcileReport, ReconcileRequest
from checkout.domain.states import CheckoutStatus, Reason
from checkout.temporal.names import CHECKOUT_STATUS, CUSTOMER_ID, TASK_QUEUE
from tests.support.charges import ACTION, CAPTURED, DECLINED, VOIDED
from tests.support.shop import Shop
from tests.workflow.continue_as_new.runs import at_the_bank, awaiting, next_run, stuck, tell
from workflows.checkout import CheckoutWorkflow
from workflows.reconcile import ReconcileWorkflow


async def test_a_payment_that_takes_several_runs_is_charged_once(shop: Shop) -> None:
    handle = await at_the_bank(shop)
    before = await handle.query(CheckoutWorkflow.timeline)
    for _ in range(3):
        await next_run(handle)
    view = await handle.query(CheckoutWorkflow.status)
    assert (view.status, view.payment.status, view.total_minor) == ("processing", "pending", 2580)
    shop.gateway.find_result = CAPTURED
    await tell(handle, "evt_last")
    view = await handle.result()
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 1)
    timeline = await handle.query(CheckoutWorkflow.timeline)
    assert timeline[: len(before)] == before
    assert [entry.what for entry in timeline if entry.kind == "attempt"] == [
        "attempt 1 with pm_card_visa started",
        "attempt 1: pending",
        "attempt 1: captured",
    ]
    assert {attempt.idempotency_key for attempt in shop.gateway.charged} == {f"{handle.id}-1"}
    assert await shop.value("SELECT on_hand FROM products WHERE sku = 'MUG'") == 698


async def test_the_next_run_looks_no_more_often_than_the_last(shop: Shop) -> None:
    handle = await at_the_bank(shop)
    first, second = await next_run(handle), await next_run(handle)
    assert 1 < first.payment.pause_seconds < second.payment.pause_seconds
    await handle.cancel()
    await handle.result()


async def test_search_attributes_memo_and_details_survive_continue_as_new(shop: Shop) -> None:
    handle = await awaiting(shop)
    before = await handle.describe()
    await next_run(handle)
    after = await handle.describe()
    assert after.typed_search_attributes.get(CHECKOUT_STATUS) == "awaiting_payment"
    assert after.typed_search_attributes.get(CUSTOMER_ID) == "cus_42"
    assert await after.memo() == {"requested_at": "2026-01-01T00:00:00.000+00:00"}
    assert after.raw_description.execution_config.default_workflow_task_timeout == (
        before.raw_description.execution_config.default_workflow_task_timeout
    )
    details = (await handle.query("__temporal_workflow_metadata")).current_details
    assert "Status: **awaiting_payment**" in details
    await handle.cancel()
    await handle.result()


@pytest.mark.parametrize("answer", [DECLINED, ACTION], ids=["declined", "at the bank"])
async def test_continue_as_new_does_not_extend_the_payment_window(shop: Shop, answer: Any) -> None:
    handle = await awaiting(shop, answer)
    first, second = await next_run(handle), await next_run(handle)
    assert first.payment.closes_at == second.payment.closes_at
    await handle.cancel()
    await handle.result()


async def test_the_payment_window_closes_in_the_next_run(shop: Shop) -> None:
    handle = await awaiting(shop, payment_window_seconds=6)
    await next_run(handle)
    view = await handle.result()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.PAYMENT_WINDOW_EXPIRED)


@pytest.mark.parametrize("answer", [DECLINED, ACTION], ids=["declined", "at the bank"])
async def test_the_customer_pays_in_another_way_after_continue_as_new(shop: Shop, answer: Any) -> None:
    shop.gateway.void_result = VOIDED
    handle = await awaiting(shop, answer)
    await next_run(handle)
    shop.gateway.charge_result = CAPTURED
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    view = await handle.result()
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 2)
    assert [attempt.payment_method for attempt in shop.gateway.charged] == ["pm_card_visa", "pm_other"]


@pytest.mark.parametrize("how", ["customer", "operator"])
@pytest.mark.parametrize("where", [at_the_bank, stuck, awaiting])
async def test_a_checkout_can_be_cancelled_after_continue_as_new(shop: Shop, how: str, where: Any) -> None:
    handle = await where(shop)
    await next_run(handle)
    shop.gateway.void_result = VOIDED
    await (handle.cancel() if how == "operator" else handle.execute_update(CheckoutWorkflow.cancel, Cancel()))
    view = await handle.result()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, f"cancelled_by_{how}")
    assert await shop.value("SELECT reserved FROM products WHERE sku = 'MUG'") == 0


async def test_a_comparison_sees_that_it_is_being_worked_on(shop: Shop) -> None:
    handle = await awaiting(shop)
    await next_run(handle)
    report: ReconcileReport = await shop.client.execute_workflow(
        ReconcileWorkflow.run,
        ReconcileRequest(grace_seconds=0),
        id=f"reconcile-{uuid.uuid4()}",
        task_queue=TASK_QUEUE,
    )
    assert (report.found, report.checked["open checkouts"]) == (0, 1)
    await handle.cancel()
    await handle.result()


async def test_a_checkout_without_waits_is_not_continued_as_new(shop: Shop) -> None:
    handle = await shop.start()
    await handle.result()
    types = [event.event_type async for event in handle.fetch_history_events()]
    assert len(types) == 15
    assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW not in types
