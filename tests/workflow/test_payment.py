"""The story of getting paid: every outcome, and whoever has the turn."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from activities.payments.charge import PaymentActivities
from checkout.domain.commands import Cancel, RetryPayment, SubmitPayment
from checkout.domain.errors import DatabaseUnavailable, OutcomeUnknown, PaymentMethodRefused, ProviderRefusesKey
from checkout.domain.events import PaymentEvent
from checkout.domain.messages import Timeouts
from checkout.domain.payments import Charge
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.domain.view import CheckoutView
from tests.support.charges import ACTION, CAPTURED, DECLINED, PENDING, VOIDED, refusal
from tests.support.invariants import violations
from tests.support.shop import Shop, open_shop, until_status
from tests.support.stock import Stock
from workflows.checkout import CheckoutWorkflow

RETRY = RetryPayment("support:desk", "the customer calls")
EVENT = PaymentEvent("evt_1", "payment_intent.succeeded", "pi_1", None, 0)


async def test_a_key_that_the_provider_refuses_undoes_nothing(shop: Shop) -> None:
    shop.gateway.charge_result = ProviderRefusesKey("revoked")
    handle = await shop.start(timeouts=Timeouts(payment_stuck_after_seconds=1))
    await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    shop.gateway.charge_result = CAPTURED
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_a_try_that_never_began_leaves_no_payment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(PaymentActivities, "_start", away)
    handle = await shop.start()
    while (await handle.query(CheckoutWorkflow.status)).payment.status != PaymentStatus.PROCESSING:
        pass
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    view = await handle.result()
    assert (view.status, view.payment.status, view.payment.attempts) == (
        CheckoutStatus.CANCELLED,
        PaymentStatus.NONE,
        1,
    )


async def test_a_declined_customer_pays_in_another_way(shop: Shop) -> None:
    shop.gateway.charge_result = DECLINED
    handle = await shop.start()
    view = await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    assert (view.payment.status, view.payment.decline_code) == (PaymentStatus.DECLINED, "insufficient_funds")
    assert view.payment.retryable is True
    shop.gateway.charge_result = CAPTURED
    view = await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    assert view.status == CheckoutStatus.PROCESSING
    view = await handle.result()
    assert (view.status, view.payment.status, view.payment.attempts) == ("confirmed", "captured", 2)
    assert (view.payment.decline_code, view.payment.retryable) == (None, None)
    assert [attempt.payment_method for attempt in shop.gateway.charged] == ["pm_card_visa", "pm_other"]


async def test_only_one_of_two_submissions_is_taken(shop: Shop) -> None:
    shop.gateway.charge_result = DECLINED
    handle = await shop.start()
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.charge_result = CAPTURED
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
    shop.gateway.charge_result = DECLINED
    handle = await shop.start()
    for _ in range(4):
        await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
        await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    view = await handle.result()
    assert (view.status, view.reason, view.payment.attempts) == ("cancelled", "payment_declined", 5)


@pytest.mark.parametrize("waiting", [PENDING, ACTION], ids=["pending", "at the bank"])
async def test_a_try_cancelled_by_the_provider_does_not_count(shop: Shop, waiting: Charge) -> None:
    """Somebody cancels the payment in the provider's dashboard while it waits: at the first try and at the last."""
    shop.gateway.charge_result = waiting
    shop.gateway.charge_results[3] = CAPTURED
    shop.gateway.find_result = VOIDED
    handle = await shop.start(timeouts=Timeouts(max_attempts=1))
    for attempt in (1, 2):
        while (
            view := await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
        ).payment.status != PaymentStatus.VOIDED:
            await asyncio.sleep(0)
        assert view.payment.attempts == attempt
        await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
        while (await handle.query(CheckoutWorkflow.status)).payment.attempts == attempt:
            await asyncio.sleep(0)
    view = await handle.result()
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 3)


async def test_a_try_abandoned_by_the_customer_counts(shop: Shop) -> None:
    shop.gateway.charge_result = shop.gateway.find_result = ACTION
    shop.gateway.void_result = VOIDED
    handle = await shop.start(timeouts=Timeouts(max_attempts=2))
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.charge_result = DECLINED
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    view = await handle.result()
    assert (view.status, view.reason, view.payment.attempts) == ("cancelled", "payment_declined", 2)


async def test_when_the_window_closes_everything_is_undone(patient_shop: Shop) -> None:
    patient_shop.gateway.charge_result = DECLINED
    view = await patient_shop.buy()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.PAYMENT_WINDOW_EXPIRED)
    assert view.payment.status == PaymentStatus.DECLINED


async def test_an_approved_authentication_confirms_the_checkout(shop: Shop) -> None:
    shop.gateway.charge_result = shop.gateway.find_result = ACTION
    handle = await shop.start()
    view = await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    assert view.payment.next_action == {"type": "redirect_to_url", "url": "https://bank.example/3ds"}
    shop.gateway.find_result = CAPTURED
    await handle.signal(CheckoutWorkflow.payment_event, EVENT)
    view = await handle.result()
    assert (view.status, view.payment.next_action) == (CheckoutStatus.CONFIRMED, None)
    assert len(shop.gateway.charged) == 1


async def test_an_approval_is_found_without_any_event(patient_shop: Shop) -> None:
    patient_shop.gateway.charge_result, patient_shop.gateway.find_result = ACTION, CAPTURED
    assert (await patient_shop.buy()).status == CheckoutStatus.CONFIRMED


async def test_a_false_event_changes_nothing(shop: Shop) -> None:
    shop.gateway.charge_result = shop.gateway.find_result = ACTION
    handle = await shop.start()
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    await handle.signal(CheckoutWorkflow.payment_event, EVENT)
    assert (await handle.query(CheckoutWorkflow.status)).status == CheckoutStatus.AWAITING_PAYMENT
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    assert (await handle.result()).payment.status == PaymentStatus.VOIDED


async def test_a_customer_may_pay_otherwise_instead_of_authenticating(shop: Shop) -> None:
    shop.gateway.charge_result = shop.gateway.find_result = ACTION
    shop.gateway.void_result = VOIDED
    handle = await shop.start()
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.charge_result = CAPTURED
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    view = await handle.result()
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 2)


async def test_paying_otherwise_waits_for_a_provider_that_is_silent(shop: Shop) -> None:
    shop.gateway.charge_result = shop.gateway.find_result = ACTION
    shop.gateway.void_result = OutcomeUnknown("away")
    handle = await shop.start(timeouts=Timeouts(payment_stuck_after_seconds=1))
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    assert {attempt.number for attempt in shop.gateway.charged} == {1}
    shop.gateway.void_result = VOIDED
    shop.gateway.charge_results[2] = CAPTURED
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    assert (await handle.result()).payment.attempts == 2
    assert shop.gateway.charged[-1].payment_method == "pm_other"


async def test_a_method_that_the_provider_does_not_know_is_declined(shop: Shop) -> None:
    shop.gateway.charge_results[1] = PaymentMethodRefused("no such payment method")
    handle = await shop.start()
    view = await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    assert (view.payment.status, view.payment.decline_code) == (PaymentStatus.DECLINED, "invalid_payment_method")
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_paying_otherwise_after_the_approval_charges_nothing_more(shop: Shop) -> None:
    shop.gateway.charge_result = shop.gateway.find_result = ACTION
    handle = await shop.start()
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.void_result = shop.gateway.find_result = CAPTURED
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    view = await handle.result()
    assert (view.status, len(shop.gateway.charged)) == (CheckoutStatus.CONFIRMED, 1)


async def test_paid_in_the_last_moment_of_the_window_is_paid(patient_shop: Shop) -> None:
    """The look at the end of the window decides, not the clock."""
    gateway = patient_shop.gateway
    gateway.charge_result, gateway.find_result = ACTION, OutcomeUnknown("away")
    handle = await patient_shop.start()
    result = asyncio.create_task(handle.result())
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    while gateway.looks < 60:  # The window is long closed, but nobody knows.
        await asyncio.sleep(0)
    gateway.find_result = CAPTURED
    assert (await result).status == CheckoutStatus.CONFIRMED


async def test_a_payment_that_takes_days_is_waited_for(patient_shop: Shop) -> None:
    gateway = patient_shop.gateway
    gateway.charge_result = gateway.find_result = PENDING
    handle = await patient_shop.start()
    result = asyncio.create_task(handle.result())
    while gateway.looks < 60:
        await asyncio.sleep(0)
    view = await handle.query(CheckoutWorkflow.status)
    assert (view.status, view.payment.status) == (CheckoutStatus.PROCESSING, PaymentStatus.PENDING)
    gateway.find_result = CAPTURED
    assert (await result).status == CheckoutStatus.CONFIRMED


async def test_a_cancel_that_comes_with_an_event_in_one_task_is_not_lost(
    temporal_client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    """While no worker runs, both wait for the same workflow task; the event ends a wait as the cancel interrupts it."""
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        shop.gateway.charge_result = shop.gateway.find_result = PENDING
        handle = await shop.start()
        while shop.gateway.looks < 3:
            await asyncio.sleep(0.05)
    await handle.signal(CheckoutWorkflow.payment_event, EVENT)
    cancel = asyncio.create_task(handle.execute_update(CheckoutWorkflow.cancel, Cancel()))
    # Accepted by the server, though by nobody else yet.
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(cancel), 1)
    async with open_shop(temporal_client, engine) as shop:
        shop.gateway.charge_result = shop.gateway.find_result = shop.gateway.void_result = CAPTURED
        assert (await cancel).status == CheckoutStatus.COMPENSATING
        view = await handle.result()
    assert (view.status, view.payment.status) == (CheckoutStatus.CANCELLED, PaymentStatus.REFUNDED)
    assert await violations(engine) == []
