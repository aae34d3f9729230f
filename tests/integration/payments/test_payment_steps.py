"""The steps of a payment against a real PostgreSQL: attempts, undos, and what a person says of them."""

import pytest

from checkout.domain.errors import (
    Contradicted,
    InvariantBroken,
    OutcomeUnknown,
    ProviderRefusedCall,
    ProviderUnavailable,
)
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus, Reason, RefundStatus
from tests.support.checkout_steps import CheckoutSteps


async def test_the_attempt_is_committed_before_the_provider_is_asked(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    steps.gateway.charge_result = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await steps.charge()
    assert await steps.row("SELECT status, idempotency_key FROM payments") == {
        "status": "unknown",
        "idempotency_key": "chk_1-1",
    }
    steps.gateway.find_result = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await steps.charge()).status == PaymentStatus.CAPTURED


async def test_an_unknown_charge_is_voided_or_given_back(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    steps.gateway.charge_result = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await steps.charge()
    steps.gateway.void_result = OutcomeUnknown("still dead")
    with pytest.raises(OutcomeUnknown):
        await steps.refund()
    steps.gateway.void_result = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await steps.refund()).status == PaymentStatus.REFUNDED
    assert steps.gateway.refunded == [2580]


async def test_a_charge_that_never_arrived_is_voided(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    steps.gateway.charge_result = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await steps.charge()
    assert (await steps.refund()).status == PaymentStatus.VOIDED


async def test_a_pending_payment_is_looked_at_again(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    steps.gateway.charge_result = Charge(PaymentStatus.PENDING, "pi_1", 0, "EUR")
    assert (await steps.charge()).status == PaymentStatus.PENDING
    steps.gateway.find_result = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await steps.look_up()).status == PaymentStatus.CAPTURED
    assert (await steps.look_up()).status == PaymentStatus.CAPTURED
    assert await steps.value("SELECT captured_minor FROM payments") == 2580


@pytest.mark.parametrize("taken", [(1, "EUR"), (2580, "USD")])
async def test_a_wrong_amount_is_refunded_as_captured(steps: CheckoutSteps, taken: tuple[int, str]) -> None:
    await steps.reserve()
    await steps.order()
    steps.gateway.charge_result = Charge(PaymentStatus.CAPTURED, "pi_1", *taken)
    assert (await steps.charge()).refusal == Reason.AMOUNT_MISMATCH
    with pytest.raises(InvariantBroken):
        await steps.confirm()
    await steps.refund()
    assert steps.gateway.refunded == [taken[0]]


async def test_a_refund_is_retried_until_it_succeeds(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    await steps.charge()
    steps.gateway.refund_status = RefundStatus.PENDING
    with pytest.raises(Exception, match="pending"):
        await steps.refund()
    assert await steps.value("SELECT status FROM payments") == "refunding"
    with pytest.raises(InvariantBroken):
        await steps.cancel()
    steps.gateway.refund_status = RefundStatus.SUCCEEDED
    assert (await steps.refund()).status == PaymentStatus.REFUNDED
    await steps.cancel()
    await steps.release()


async def test_a_refund_that_had_succeeded_is_never_pending_again(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    await steps.charge()
    await steps.refund()
    # The bank sends the money back, and the provider's second refund takes its time.
    steps.gateway.refunded.clear()
    steps.gateway.refund_status = RefundStatus.PENDING
    with pytest.raises(ProviderUnavailable, match="pending"):
        await steps.refund()
    assert await steps.value("SELECT status FROM refunds") == "succeeded"
    steps.gateway.refund_status = RefundStatus.SUCCEEDED
    assert (await steps.refund()).status == PaymentStatus.REFUNDED


async def test_a_declined_payment_needs_no_refund(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    steps.gateway.charge_result = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", decline_code="insufficient_funds")
    answer = await steps.charge()
    assert (answer.status, answer.decline_code) == (PaymentStatus.DECLINED, "insufficient_funds")
    assert (await steps.refund()).status == PaymentStatus.DECLINED


async def _in_doubt(steps: CheckoutSteps) -> None:
    """A charge of which nobody knows."""
    await steps.reserve()
    await steps.order()
    steps.gateway.charge_result = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await steps.charge()


async def test_a_declined_customer_pays_on_the_same_intent(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    steps.gateway.charge_result = Charge(
        PaymentStatus.DECLINED, "pi_1", 0, "EUR", "generic_decline", latest_charge="ch_1"
    )
    await steps.charge()
    steps.gateway.charge_result = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR", latest_charge="ch_2")
    assert (await steps.charge(attempt=2)).status == PaymentStatus.CAPTURED
    first, second = steps.gateway.charged
    assert (first.provider_reference, first.idempotency_key) == (None, "chk_1-1")
    assert (second.provider_reference, second.idempotency_key) == ("pi_1", "chk_1-2")
    assert (second.shares_intent, second.earlier_charges, second.is_reported) == (True, ("ch_1",), False)


async def test_a_decline_of_the_first_try_says_nothing_of_the_second(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    declined = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "generic_decline", latest_charge="ch_1")
    steps.gateway.charge_result = declined
    await steps.charge()
    steps.gateway.charge_result, steps.gateway.find_result = OutcomeUnknown("the line went dead"), declined
    with pytest.raises(OutcomeUnknown):
        await steps.charge(attempt=2)
    assert await steps.value("SELECT status FROM payments WHERE attempt = 2") == "unknown"


async def test_while_one_try_is_open_there_is_no_other(steps: CheckoutSteps) -> None:
    await _in_doubt(steps)
    with pytest.raises(InvariantBroken):
        await steps.charge(attempt=2)
    assert len(steps.gateway.charged) == 1


async def test_after_a_void_the_next_try_takes_a_new_intent(steps: CheckoutSteps) -> None:
    await _in_doubt(steps)
    assert (await steps.settle()).status == PaymentStatus.VOIDED
    steps.gateway.charge_result = Charge(PaymentStatus.CAPTURED, "pi_2", 2580, "EUR")
    assert (await steps.charge(attempt=2)).status == PaymentStatus.CAPTURED
    assert steps.gateway.charged[-1].provider_reference is None


@pytest.mark.parametrize("found", [None, Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR")])
async def test_resolve_refuses_a_capture_that_the_provider_denies(steps: CheckoutSteps, found: Charge | None) -> None:
    await _in_doubt(steps)
    steps.gateway.find_result = found
    with pytest.raises(Contradicted):
        await steps.resolve(PaymentStatus.CAPTURED, "pi_1")


async def test_resolve_refuses_a_capture_of_another_checkout(steps: CheckoutSteps) -> None:
    await _in_doubt(steps)
    steps.gateway.find_result = ProviderRefusedCall("not an intent of chk_1")
    with pytest.raises(Contradicted):
        await steps.resolve(PaymentStatus.CAPTURED, "pi_other")


async def test_resolve_refuses_not_charged_for_a_captured_payment(steps: CheckoutSteps) -> None:
    await _in_doubt(steps)
    steps.gateway.void_result = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    with pytest.raises(Contradicted):
        await steps.resolve(PaymentStatus.VOIDED)
    assert (await steps.look_up()).status == PaymentStatus.CAPTURED


async def test_resolve_takes_a_persons_word_while_the_provider_is_unavailable(steps: CheckoutSteps) -> None:
    await _in_doubt(steps)
    steps.gateway.find_result = OutcomeUnknown("away")
    with pytest.raises(Contradicted, match="reference"):
        await steps.resolve(PaymentStatus.CAPTURED)
    answer = await steps.resolve(PaymentStatus.CAPTURED, "pi_1")
    assert (answer.status, answer.verified) == (PaymentStatus.CAPTURED, False)
    assert await steps.row("SELECT actor, reason FROM payments") == {
        "actor": "support:desk",
        "reason": "the bank says so",
    }
    await steps.confirm()


async def test_a_decline_without_a_charge_says_nothing_of_the_next_try(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    declined = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "authentication_failed")
    steps.gateway.charge_result = declined
    await steps.charge()
    steps.gateway.charge_result, steps.gateway.find_result = OutcomeUnknown("the line went dead"), declined
    with pytest.raises(OutcomeUnknown):
        await steps.charge(attempt=2)
