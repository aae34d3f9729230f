"""The story of a payment that is stuck, and support's commands: each does its work once, and nothing worse."""

import asyncio

import pytest

from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment, SubmitPayment
from checkout.domain.errors import OutcomeUnknown, ProviderUnavailable
from checkout.domain.messages import Timeouts
from checkout.domain.payments import Charge
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.domain.view import CheckoutView
from tests.support.charges import CAPTURED, VOIDED, refusal
from tests.support.shop import Handle, Shop, until_status
from workflows.checkout import CheckoutWorkflow

RETRY = RetryPayment("support:desk", "the customer calls")


async def stuck(shop: Shop) -> Handle:
    """A checkout whose first try is stuck for good."""
    shop.gateway.charge_results[1] = OutcomeUnknown("away")
    handle = await shop.start(timeouts=Timeouts(payment_stuck_after_seconds=1))
    view = await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    assert view.payment.status == PaymentStatus.UNKNOWN
    return handle


async def test_a_payment_that_stays_unknown_becomes_stuck_and_is_retried(patient_shop: Shop) -> None:
    gateway = patient_shop.gateway
    gateway.charge_result = ProviderUnavailable("away")
    handle = await patient_shop.start()
    # The clock skips while somebody waits for a result, so somebody does.
    result = asyncio.create_task(handle.result())
    await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    gateway.charge_result = CAPTURED
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
    assert await shop.row("SELECT entity_key, before, after, actor, reason FROM audit_log WHERE entity = 'staff'") == {
        "entity_key": "cancel",
        "before": "payment_stuck",
        "after": "compensating",
        "actor": "support:desk",
        "reason": "the customer gave up",
    }


@pytest.mark.parametrize("method", [None, "pm_other"])
async def test_support_retries_once_however_often_it_presses(shop: Shop, method: str | None) -> None:
    handle = await stuck(shop)
    shop.gateway.void_result = VOIDED
    shop.gateway.charge_result = CAPTURED
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
    shop.gateway.void_result = OutcomeUnknown("still away")
    update = handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    assert await refusal(update) == "OutcomeStillUnknown"
    assert (await handle.query(CheckoutWorkflow.status)).status == CheckoutStatus.PAYMENT_STUCK
    assert await shop.value("SELECT count(*) FROM audit_log WHERE entity = 'staff'") == 1
    shop.gateway.charge_results[1] = CAPTURED
    assert (await handle.result()).payment.attempts == 1


async def test_a_retry_refunds_a_capture_of_the_wrong_amount(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_result = Charge(PaymentStatus.CAPTURED, "pi_1", 1, "EUR")
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    view = await handle.result()
    assert (view.status, view.reason, view.payment.status) == ("cancelled", "amount_mismatch", "refunded")


async def test_a_retry_of_what_was_captured_charges_nothing(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_result = CAPTURED
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    view = await handle.result()
    assert (view.status, view.payment.attempts) == (CheckoutStatus.CONFIRMED, 1)
    assert {attempt.number for attempt in shop.gateway.charged} == {1}


async def test_a_payment_that_is_not_stuck_cannot_be_retried(shop: Shop) -> None:
    shop.gateway.let_go.clear()
    handle = await shop.start()
    await shop.gateway.arrived.wait()
    assert await refusal(handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)) == "NotStuck"
    shop.gateway.let_go.set()
    await handle.result()


async def test_a_contradicted_resolution_is_refused_and_the_customer_has_the_turn(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.find_result = VOIDED
    lie = ResolvePayment("support:desk", "trust me", captured=True, provider_reference="pi_1")
    assert await refusal(handle.execute_update(CheckoutWorkflow.resolve_payment, lie)) == "Contradicted"
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)  # What the provider said has been written down.
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    assert (await handle.result()).status == CheckoutStatus.CANCELLED


@pytest.mark.parametrize("captured", [True, False])
async def test_support_resolves_a_payment_while_the_provider_is_unavailable(shop: Shop, captured: bool) -> None:
    handle = await stuck(shop)
    shop.gateway.find_result = shop.gateway.void_result = OutcomeUnknown("away")
    word = ResolvePayment("support:desk", "the bank says so", captured, "pi_1" if captured else None)
    await handle.execute_update(CheckoutWorkflow.resolve_payment, word)
    if captured:
        assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    else:  # It ends the buying. That nothing was taken, the provider has to say before anything else is given back.
        await until_status(handle, CheckoutStatus.COMPENSATING)
        shop.gateway.void_result = VOIDED
        view = await handle.result()
        assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.CANCELLED_BY_SUPPORT)


async def test_not_charged_gives_the_customer_another_try(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_result = VOIDED
    word = ResolvePayment("support:desk", "the bank says so", captured=False)
    await handle.execute_update(CheckoutWorkflow.resolve_payment, word)
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    shop.gateway.charge_result = CAPTURED
    await handle.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment("pm_other"))
    assert (await handle.result()).payment.attempts == 2


async def test_the_timeline_tells_everything_in_order(shop: Shop) -> None:
    handle = await stuck(shop)
    shop.gateway.void_result, shop.gateway.charge_result = VOIDED, CAPTURED
    await handle.execute_update(CheckoutWorkflow.retry_payment, RETRY)
    await handle.result()
    told = [(e.kind, e.what.split(" with")[0], e.actor) for e in await handle.query(CheckoutWorkflow.timeline)]
    assert told[0] == ("step", "stock reserved", "workflow")
    assert told[2:8] == [
        ("attempt", "attempt 1", "workflow"),
        ("attempt", "attempt 1: unknown", "workflow"),
        ("step", "payment_stuck", "workflow"),
        ("staff", "retry_payment", "support:desk"),
        ("attempt", "attempt 1: voided", "workflow"),
        ("attempt", "attempt 2", "workflow"),
    ]
    assert told[-1] == ("step", "confirmed", "workflow")
