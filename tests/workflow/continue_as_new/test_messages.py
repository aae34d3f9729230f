"""Updates, signals and queries across runs: each is carried out once, and none is lost."""

import asyncio

import pytest
from temporalio.client import WorkflowExecutionStatus

from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment, SubmitPayment
from checkout.domain.states import CheckoutStatus
from tests.support.charges import ACTION, CAPTURED, VOIDED, refusal
from tests.support.shop import Handle, Shop, until_status
from tests.workflow.continue_as_new.runs import EVENTS, awaiting, next_run, resume_of, stuck, tell
from workflows.checkout import CheckoutWorkflow

RETRY = RetryPayment("support:desk", "the customer calls")


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
