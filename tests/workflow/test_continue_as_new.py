"""A checkout that waits for long goes on in another run, and nobody can tell: on a server that asks for it early."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.converter import DataConverter

from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment, SubmitPayment
from checkout.domain.errors import OutcomeUnknown
from checkout.domain.events import PaymentEvent
from checkout.domain.messages import CheckoutRequest, Timeouts
from checkout.domain.reconcile import ReconcileReport, ReconcileRequest
from checkout.domain.resume import Resume
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.provisioning.search_attributes import register_search_attributes
from checkout.temporal.names import CHECKOUT_STATUS, CUSTOMER_ID, TASK_QUEUE
from lab.stack.servers.temporal import DevTemporal
from tests.support.charges import ACTION, CAPTURED, DECLINED, PENDING, VOIDED, refusal
from tests.support.invariants import violations
from tests.support.servers import fresh_namespace, temporal_with
from tests.support.shop import Handle, Shop, open_shop, until_status
from tests.support.stock import Stock
from workflows.checkout import CheckoutWorkflow
from workflows.reconcile import ReconcileWorkflow

#: The server suggests a new run from so many events on.
EVENTS = 50
RETRY = RetryPayment("support:desk", "the customer calls")


@pytest.fixture(scope="module")
async def hasty_server() -> AsyncIterator[DevTemporal]:
    """A server that wants short histories."""
    async with temporal_with(f"limit.historyCount.suggestContinueAsNew={EVENTS}") as server:
        yield server


@pytest.fixture
async def shop(hasty_server: DevTemporal, engine: AsyncEngine, stock: Stock) -> AsyncIterator[Shop]:
    await stock({"MUG": (1290, "EUR", 700)})
    client = await fresh_namespace(hasty_server)
    await register_search_attributes(client)
    async with open_shop(client, engine) as shop:
        yield shop
    assert await violations(engine) == []


async def run_of(handle: Handle) -> str:
    return (await handle.describe()).run_id


async def tell(handle: Handle, event_id: str) -> None:
    """The provider has news: a reason to look, and some events more in the history."""
    event = PaymentEvent(event_id, "payment_intent.processing", "pi_1", None, 0)
    await handle.signal(CheckoutWorkflow.payment_event, event)


async def next_run(handle: Handle) -> Resume:
    """Have events come until another run goes on; what that run was told."""
    first, n = await handle.describe(), 0
    while (await run_of(handle)) == first.run_id:
        if (await handle.describe()).history_length < EVENTS + 20:
            await tell(handle, f"evt_{first.run_id}_{n}")
            n += 1
        await handle.query(CheckoutWorkflow.status)
    return await resume_of(handle)


async def resume_of(handle: Handle) -> Resume:
    first = await anext(handle.fetch_history_events(page_size=1))
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    [request] = await DataConverter.default.decode(payloads, [CheckoutRequest])
    assert isinstance(request.resume, Resume)
    return request.resume


async def at_the_bank(shop: Shop) -> Handle:
    shop.gateway.charge_result = shop.gateway.find_result = PENDING
    handle = await shop.start()
    while (await handle.query(CheckoutWorkflow.status)).payment.status != PaymentStatus.PENDING:
        await asyncio.sleep(0)
    return handle


async def stuck(shop: Shop) -> Handle:
    shop.gateway.charge_results[1] = shop.gateway.void_result = OutcomeUnknown("away")
    handle = await shop.start(timeouts=Timeouts(payment_stuck_after_seconds=0.5))
    await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    return handle


async def awaiting(shop: Shop, answer: Any = DECLINED, **timeouts: Any) -> Handle:
    shop.gateway.charge_result = shop.gateway.find_result = answer
    handle = await shop.start(timeouts=Timeouts(**timeouts))
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    return handle


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
        "try 1 with pm_card_visa started",
        "try 1: pending",
        "try 1: captured",
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
    handle = await awaiting(shop, answer, payment_window_seconds=6)
    first, second = await next_run(handle), await next_run(handle)
    assert first.payment.closes_at == second.payment.closes_at
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


@pytest.mark.parametrize("command", ["retry", "resolve"])
async def test_support_commands_a_payment_that_is_stuck_across_runs(shop: Shop, command: str) -> None:
    handle = await stuck(shop)
    assert await refusal(handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)) == "OutcomeStillUnknown"
    await next_run(handle)
    shop.gateway.void_result, shop.gateway.charge_result = VOIDED, CAPTURED
    if command == "retry":
        await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    else:
        word = ResolvePayment("support:desk", "the bank says so", captured=False)
        await handle.execute_update(CheckoutWorkflow.resolve_payment, word)
        await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
        await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_card_visa"))
    view = await handle.result()
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 2)
    staff = [entry.what for entry in await handle.query(CheckoutWorkflow.timeline) if entry.kind == "staff"]
    assert staff == ["retry_payment: refused", f"{command}_payment"]


async def test_an_update_that_was_carried_out_is_not_repeated_by_the_next_run(shop: Shop) -> None:
    handle = await awaiting(shop)
    pay, update_id = SubmitPayment("pm_other"), "payment-1"
    await handle.execute_update(CheckoutWorkflow.submit_payment, pay, id=update_id)
    while (await handle.query(CheckoutWorkflow.status)).payment.attempts < 2:
        await asyncio.sleep(0)
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    await next_run(handle)
    again = await handle.execute_update(CheckoutWorkflow.submit_payment, pay, id=update_id)
    assert (again.status, again.payment.attempts) == (CheckoutStatus.AWAITING_PAYMENT, 2)
    other = handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_third"), id="payment-1")
    # This run has completed the update by now, and Temporal returns its outcome, whatever is asked.
    assert (await other).payment.attempts == 2
    await next_run(handle)
    other = handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_third"), id="payment-1")
    assert await refusal(other) == "UpdateIdReused"
    assert len(shop.gateway.charged) == 2
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    await handle.result()


async def test_an_update_that_was_refused_late_is_refused_again_by_the_next_run(shop: Shop) -> None:
    handle = await stuck(shop)
    press = handle.execute_update(CheckoutWorkflow.retry_payment, RETRY, id="retry-1")
    assert await refusal(press) == "OutcomeStillUnknown"
    await next_run(handle)
    press = handle.execute_update(CheckoutWorkflow.retry_payment, RETRY, id="retry-1")
    assert await refusal(press) == "OutcomeStillUnknown"
    staff = [entry for entry in await handle.query(CheckoutWorkflow.timeline) if entry.kind == "staff"]
    assert len(staff) == 1
    await handle.cancel()
    shop.gateway.void_result = VOIDED
    await handle.result()


async def test_late_refusals_are_bounded_by_the_next_run(shop: Shop) -> None:
    """Each was accepted, and refused when the provider did not say what became of the payment."""
    handle = await stuck(shop)
    for _ in range(30):
        press = handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
        assert await refusal(press) in ("OutcomeStillUnknown", "BetweenRuns")
    await next_run(handle)
    assert (await handle.describe()).history_length < 2 * EVENTS
    assert len((await resume_of(handle)).completed_updates) >= 2
    await handle.cancel()
    shop.gateway.void_result = VOIDED
    await handle.result()


async def test_an_event_that_came_before_is_known_to_the_next_run(shop: Shop) -> None:
    handle = await awaiting(shop)
    await tell(handle, "evt_1")
    await next_run(handle)
    await tell(handle, "evt_1")
    timeline = await handle.query(CheckoutWorkflow.timeline)
    assert [entry.reason for entry in timeline].count("evt_1") == 1
    await handle.cancel()
    await handle.result()


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


@pytest.mark.parametrize("how", ["customer", "operator", "payment"])
async def test_messages_sent_during_continue_as_new_are_not_lost(shop: Shop, how: str) -> None:
    """Commands and events reach many checkouts at each point of their way from one run to the next."""
    shop.gateway.void_result = VOIDED

    async def trouble(number: int) -> tuple[str, str | None]:
        shop.gateway.charge_results[2] = CAPTURED
        handle = await awaiting(shop, ACTION)
        news = asyncio.create_task(_news(handle, number))
        while (await handle.describe()).history_length < EVENTS - 12 + 2 * number:
            await asyncio.sleep(0)
        if how == "operator":
            await handle.cancel()
        elif how == "customer":
            await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
        else:
            await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"), id="payment-1")
        view = await handle.result()
        news.cancel()
        return view.status, view.reason

    endings = await asyncio.gather(*(trouble(number) for number in range(12)))
    assert set(endings) == {("confirmed", None) if how == "payment" else ("cancelled", f"cancelled_by_{how}")}


async def _news(handle: Handle, number: int) -> None:
    for n in range(10 * EVENTS):
        if (await handle.describe()).status != WorkflowExecutionStatus.RUNNING:
            return
        await tell(handle, f"evt_{number}_{n}")


async def test_a_checkout_without_waits_is_not_continued_as_new(shop: Shop) -> None:
    handle = await shop.start()
    await handle.result()
    types = [event.event_type async for event in handle.fetch_history_events()]
    assert len(types) == 15
    assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW not in types
