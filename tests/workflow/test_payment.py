"""The story of getting paid: every outcome, whoever has the turn, and support's commands."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from checkout.domain.errors import OutcomeUnknown, PaymentMethodRefused, ProviderRefusesKey, ProviderUnavailable
from checkout.domain.requests import (
    Cancel,
    Patience,
    PaymentEvent,
    ResolvePayment,
    RetryPayment,
    SubmitPayment,
)
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.domain.view import CheckoutView
from checkout.payments.gateway import Charge
from tests.invariants import violations
from tests.workflow.shop import Handle, Shop, Stock, open_shop, until
from workflows.checkout import CheckoutWorkflow

CAPTURED = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR", latest_charge="ch_9")
DECLINED = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "insufficient_funds", retryable=True, latest_charge="ch_1")
PENDING = Charge(PaymentStatus.PENDING, "pi_1", 0, "EUR")
ACTION = Charge(PaymentStatus.REQUIRES_ACTION, "pi_1", 0, "EUR", next_action_url="https://bank.example/3ds")
VOIDED = Charge(PaymentStatus.VOIDED, "pi_1", 0, "EUR")
RETRY = RetryPayment("support:desk", "the customer calls")
EVENT = PaymentEvent("evt_1", "payment_intent.succeeded", "pi_1", None, 0)


async def refusal(update: Awaitable[Any]) -> str | None:
    """The type of the error with which an update was refused."""
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause.type


async def stuck(shop: Shop) -> Handle:
    """A checkout whose first try is stuck for good."""
    shop.gateway.charge_answers[1] = OutcomeUnknown("away")
    handle = await shop.start(patience=Patience(payment_stuck_after_seconds=0.5))
    view = await until(handle, CheckoutStatus.PAYMENT_STUCK)
    assert view.payment.status == PaymentStatus.UNKNOWN
    return handle


async def test_a_key_that_the_provider_refuses_undoes_nothing(shop: Shop) -> None:
    shop.gateway.charge_answer = ProviderRefusesKey("revoked")
    handle = await shop.start(patience=Patience(payment_stuck_after_seconds=0.5))
    await until(handle, CheckoutStatus.PAYMENT_STUCK)
    shop.gateway.charge_answer = CAPTURED
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_a_declined_customer_pays_in_another_way(shop: Shop) -> None:
    shop.gateway.charge_answer = DECLINED
    handle = await shop.start()
    view = await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    assert (view.payment.status, view.payment.decline_code) == (PaymentStatus.DECLINED, "insufficient_funds")
    assert view.payment.retryable is True
    shop.gateway.charge_answer = CAPTURED
    view = await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    assert view.status == CheckoutStatus.PROCESSING
    view = await handle.result()
    assert (view.status, view.payment.status, view.payment.attempts) == ("confirmed", "captured", 2)
    assert (view.payment.decline_code, view.payment.retryable) == (None, None)
    assert [attempt.payment_method for attempt in shop.gateway.charged] == ["pm_card_visa", "pm_other"]


async def test_only_one_of_two_submissions_is_taken(shop: Shop) -> None:
    shop.gateway.charge_answer = DECLINED
    handle = await shop.start()
    await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.charge_answer = CAPTURED
    updates = [
        handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment(f"pm_{name}")) for name in ("a", "b", "c")
    ]
    answers = await asyncio.gather(*updates, return_exceptions=True)
    assert sum(isinstance(answer, CheckoutView) for answer in answers) == 1
    assert (await handle.result()).payment.attempts == 2


async def test_nothing_is_submitted_while_no_payment_is_awaited(shop: Shop) -> None:
    shop.gateway.let_go.clear()
    handle = await shop.start()
    await shop.gateway.arrived.wait()
    update = handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    assert await refusal(update) == "NotAwaitingPayment"
    shop.gateway.let_go.set()
    await handle.result()


async def test_the_customers_tries_are_bounded(shop: Shop) -> None:
    shop.gateway.charge_answer = DECLINED
    handle = await shop.start()
    for _ in range(4):
        await until(handle, CheckoutStatus.AWAITING_PAYMENT)
        await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    view = await handle.result()
    assert (view.status, view.reason, view.payment.attempts) == ("cancelled", "payment_declined", 5)


async def test_when_the_window_closes_everything_is_undone(patient_shop: Shop) -> None:
    patient_shop.gateway.charge_answer = DECLINED
    view = await patient_shop.buy()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.PAYMENT_WINDOW_EXPIRED)
    assert view.payment.status == PaymentStatus.DECLINED


async def test_what_the_bank_asks_is_passed_on_and_the_approval_confirms(shop: Shop) -> None:
    shop.gateway.charge_answer = shop.gateway.find_answer = ACTION
    handle = await shop.start()
    view = await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    assert view.payment.next_action == {"type": "redirect_to_url", "url": "https://bank.example/3ds"}
    shop.gateway.find_answer = CAPTURED
    await handle.signal(CheckoutWorkflow.payment_event, EVENT)
    view = await handle.result()
    assert (view.status, view.payment.next_action) == (CheckoutStatus.CONFIRMED, None)
    assert len(shop.gateway.charged) == 1


async def test_an_approval_is_found_without_any_event(patient_shop: Shop) -> None:
    patient_shop.gateway.charge_answer, patient_shop.gateway.find_answer = ACTION, CAPTURED
    assert (await patient_shop.buy()).status == CheckoutStatus.CONFIRMED


async def test_an_event_that_lies_changes_nothing(shop: Shop) -> None:
    shop.gateway.charge_answer = shop.gateway.find_answer = ACTION
    handle = await shop.start()
    await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    await handle.signal(CheckoutWorkflow.payment_event, EVENT)
    assert (await handle.query(CheckoutWorkflow.status)).status == CheckoutStatus.AWAITING_PAYMENT
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    assert (await handle.result()).payment.status == PaymentStatus.VOIDED


async def test_a_customer_may_pay_otherwise_instead_of_authenticating(shop: Shop) -> None:
    shop.gateway.charge_answer = shop.gateway.find_answer = ACTION
    shop.gateway.void_answer = VOIDED
    handle = await shop.start()
    await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.charge_answer = CAPTURED
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    view = await handle.result()
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 2)


async def test_paying_otherwise_waits_for_a_provider_that_is_silent(shop: Shop) -> None:
    shop.gateway.charge_answer = shop.gateway.find_answer = ACTION
    shop.gateway.void_answer = OutcomeUnknown("away")
    handle = await shop.start(patience=Patience(payment_stuck_after_seconds=0.5))
    await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    await until(handle, CheckoutStatus.PAYMENT_STUCK)
    assert {attempt.number for attempt in shop.gateway.charged} == {1}
    shop.gateway.void_answer = VOIDED
    shop.gateway.charge_answers[2] = CAPTURED
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    assert (await handle.result()).payment.attempts == 2
    assert shop.gateway.charged[-1].payment_method == "pm_other"


async def test_a_method_that_the_provider_does_not_know_is_declined(shop: Shop) -> None:
    shop.gateway.charge_answers[1] = PaymentMethodRefused("no such payment method")
    handle = await shop.start()
    view = await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    assert (view.payment.status, view.payment.decline_code) == (PaymentStatus.DECLINED, "invalid_payment_method")
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_paying_otherwise_after_the_approval_charges_nothing_more(shop: Shop) -> None:
    shop.gateway.charge_answer = shop.gateway.find_answer = ACTION
    handle = await shop.start()
    await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.void_answer = shop.gateway.find_answer = CAPTURED
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    view = await handle.result()
    assert (view.status, len(shop.gateway.charged)) == (CheckoutStatus.CONFIRMED, 1)


async def test_paid_in_the_last_moment_of_the_window_is_paid(patient_shop: Shop) -> None:
    """The look at the end of the window decides, not the clock."""
    gateway = patient_shop.gateway
    gateway.charge_answer, gateway.find_answer = ACTION, OutcomeUnknown("away")
    handle = await patient_shop.start()
    result = asyncio.create_task(handle.result())
    await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    while gateway.looks < 60:  # The window is long closed, but nobody knows.
        await asyncio.sleep(0)
    gateway.find_answer = CAPTURED
    assert (await result).status == CheckoutStatus.CONFIRMED


async def test_a_payment_that_takes_days_is_waited_for(patient_shop: Shop) -> None:
    gateway = patient_shop.gateway
    gateway.charge_answer = gateway.find_answer = PENDING
    handle = await patient_shop.start()
    result = asyncio.create_task(handle.result())
    while gateway.looks < 60:
        await asyncio.sleep(0)
    view = await handle.query(CheckoutWorkflow.status)
    assert (view.status, view.payment.status) == (CheckoutStatus.PROCESSING, PaymentStatus.PENDING)
    gateway.find_answer = CAPTURED
    assert (await result).status == CheckoutStatus.CONFIRMED


async def test_a_payment_that_stays_unknown_calls_for_support_and_goes_on(patient_shop: Shop) -> None:
    gateway = patient_shop.gateway
    gateway.charge_answer = ProviderUnavailable("away")
    handle = await patient_shop.start()
    # The clock skips while somebody waits for a result, so somebody does.
    result = asyncio.create_task(handle.result())
    await until(handle, CheckoutStatus.PAYMENT_STUCK)
    gateway.charge_answer = CAPTURED
    assert (await result).status == CheckoutStatus.CONFIRMED
    assert {attempt.idempotency_key for attempt in gateway.charged} == {f"{handle.id}-1"}
    assert await patient_shop.value("SELECT count(*) FROM audit_log WHERE after = 'payment_stuck'") == 1


async def test_a_stuck_payment_can_be_cancelled_by_support(shop: Shop) -> None:
    handle = await stuck(shop)
    await handle.execute_update(
        CheckoutWorkflow.cancel, Cancel(Reason.CANCELLED_BY_SUPPORT, "support:desk", "the customer gave up")
    )
    view = await handle.result()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.CANCELLED_BY_SUPPORT)
    assert view.payment.status == PaymentStatus.VOIDED
    row = "SELECT entity_key || before || after || actor || reason FROM audit_log WHERE entity = 'staff'"
    assert await shop.value(row) == "cancelpayment_stuckcompensatingsupport:deskthe customer gave up"


@pytest.mark.parametrize("method", [None, "pm_other"])
async def test_support_retries_once_however_often_it_presses(shop: Shop, method: str | None) -> None:
    handle = await stuck(shop)
    shop.gateway.void_answer = VOIDED
    shop.gateway.charge_answer = CAPTURED
    order = RetryPayment("support:desk", "the customer calls", method)
    presses = [handle.execute_update(CheckoutWorkflow.retry_payment, order) for _ in range(3)]
    answers = await asyncio.gather(*presses, return_exceptions=True)
    assert any(isinstance(answer, CheckoutView) for answer in answers), answers
    view = await handle.result()
    assert view.status == CheckoutStatus.CONFIRMED
    assert [attempt.payment_method for attempt in shop.gateway.charged if attempt.number > 1] == [
        method or "pm_card_visa"
    ]


async def test_a_retry_is_refused_while_the_outcome_is_unknown(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_answer = OutcomeUnknown("still away")
    update = handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    assert await refusal(update) == "OutcomeStillUnknown"
    assert (await handle.query(CheckoutWorkflow.status)).status == CheckoutStatus.PAYMENT_STUCK
    assert await shop.value("SELECT count(*) FROM audit_log WHERE entity = 'staff'") == 1
    shop.gateway.charge_answers[1] = CAPTURED
    assert (await handle.result()).payment.attempts == 1


async def test_a_retry_of_what_was_captured_wrongly_gives_it_back(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 1, "EUR")
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    view = await handle.result()
    assert (view.status, view.reason, view.payment.status) == ("cancelled", "amount_mismatch", "refunded")


async def test_a_retry_of_what_was_captured_charges_nothing(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_answer = CAPTURED
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    view = await handle.result()
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 1)
    assert {attempt.number for attempt in shop.gateway.charged} == {1}


async def test_nothing_is_retried_that_is_not_stuck(shop: Shop) -> None:
    shop.gateway.let_go.clear()
    handle = await shop.start()
    await shop.gateway.arrived.wait()
    assert await refusal(handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)) == "NotStuck"
    shop.gateway.let_go.set()
    await handle.result()


async def test_a_lie_is_refused_and_the_payment_stays_stuck(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.find_answer = VOIDED
    lie = ResolvePayment("support:desk", "trust me", captured=True, provider_reference="pi_1")
    assert await refusal(handle.execute_update(CheckoutWorkflow.resolve_payment, lie)) == "Contradicted"
    await until(handle, CheckoutStatus.AWAITING_PAYMENT)  # What the provider said has been written down.
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    assert (await handle.result()).status == CheckoutStatus.CANCELLED


@pytest.mark.parametrize("captured", [True, False])
async def test_the_word_of_a_person_counts_while_the_provider_is_silent(shop: Shop, captured: bool) -> None:
    handle = await stuck(shop)
    shop.gateway.find_answer = shop.gateway.void_answer = OutcomeUnknown("away")
    word = ResolvePayment("support:desk", "the bank says so", captured, "pi_1" if captured else None)
    await handle.execute_update(CheckoutWorkflow.resolve_payment, word)
    view = await handle.result()
    if captured:
        assert view.status == CheckoutStatus.CONFIRMED
    else:
        assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.CANCELLED_BY_SUPPORT)


async def test_not_charged_gives_the_customer_another_try(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_answer = VOIDED
    word = ResolvePayment("support:desk", "the bank says so", captured=False)
    await handle.execute_update(CheckoutWorkflow.resolve_payment, word)
    await until(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.charge_answer = CAPTURED
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    assert (await handle.result()).payment.attempts == 2


async def test_the_timeline_tells_everything_in_order(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_answer, shop.gateway.charge_answer = VOIDED, CAPTURED
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    await handle.result()
    told = [(e.kind, e.what.split(" with")[0], e.actor) for e in await handle.query(CheckoutWorkflow.timeline)]
    assert told[0] == ("step", "stock reserved", "workflow")
    assert told[2:8] == [
        ("attempt", "try 1", "workflow"),
        ("attempt", "try 1: unknown", "workflow"),
        ("step", "payment_stuck", "workflow"),
        ("staff", "retry_payment", "support:desk"),
        ("attempt", "try 1: voided", "workflow"),
        ("attempt", "try 2", "workflow"),
    ]
    assert told[-1] == ("step", "confirmed", "workflow")


async def test_a_cancel_that_comes_with_an_event_in_one_task_is_not_lost(
    temporal_client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    """While no worker runs, both wait for the same workflow task; the event ends a wait as the cancel interrupts it."""
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        shop.gateway.charge_answer = shop.gateway.find_answer = PENDING
        handle = await shop.start()
        while shop.gateway.looks < 3:
            await asyncio.sleep(0.05)
    await handle.signal(CheckoutWorkflow.payment_event, EVENT)
    cancel = asyncio.create_task(handle.execute_update(CheckoutWorkflow.cancel, Cancel()))
    # Accepted by the server, though by nobody else yet.
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(cancel), 1)
    async with open_shop(temporal_client, engine) as shop:
        shop.gateway.charge_answer = shop.gateway.find_answer = shop.gateway.void_answer = CAPTURED
        assert (await cancel).status == CheckoutStatus.COMPENSATING
        view = await handle.result()
    assert (view.status, view.payment.status) == (CheckoutStatus.CANCELLED, PaymentStatus.REFUNDED)
    assert await violations(engine) == []
