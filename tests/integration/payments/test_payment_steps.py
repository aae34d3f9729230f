"""The steps of a payment against a real PostgreSQL: attempts, undos, and what a person says of them."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from checkout.domain.errors import (
    Contradicted,
    InvariantBroken,
    OutcomeUnknown,
    ProviderRefusedCall,
    ProviderUnavailable,
)
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus, Reason, RefundStatus
from tests.support.steps_shop import Shop, open_shop
from tests.support.stock import Stock


@pytest.fixture
async def shop(engine: AsyncEngine, stock: Stock) -> Shop:
    return await open_shop(engine, stock)


async def test_the_attempt_is_committed_before_the_provider_is_asked(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await shop.charge()
    assert await shop.value("SELECT status || idempotency_key FROM payments") == "unknownchk_1-1"
    shop.gateway.find_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await shop.charge()).status == PaymentStatus.CAPTURED


async def test_an_unknown_charge_is_voided_or_given_back(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await shop.charge()
    shop.gateway.void_answer = OutcomeUnknown("still dead")
    with pytest.raises(OutcomeUnknown):
        await shop.refund()
    shop.gateway.void_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await shop.refund()).status == PaymentStatus.REFUNDED
    assert shop.gateway.refunded == [2580]


async def test_a_charge_that_never_arrived_is_voided(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await shop.charge()
    assert (await shop.refund()).status == PaymentStatus.VOIDED


async def test_a_pending_payment_is_looked_at_again(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = Charge(PaymentStatus.PENDING, "pi_1", 0, "EUR")
    assert (await shop.charge()).status == PaymentStatus.PENDING
    shop.gateway.find_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await shop.look_up()).status == PaymentStatus.CAPTURED
    assert (await shop.look_up()).status == PaymentStatus.CAPTURED
    assert await shop.value("SELECT captured_minor FROM payments") == 2580


@pytest.mark.parametrize("taken", [(1, "EUR"), (2580, "USD")])
async def test_another_amount_is_given_back_as_it_was_taken(shop: Shop, taken: tuple[int, str]) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = Charge(PaymentStatus.CAPTURED, "pi_1", *taken)
    assert (await shop.charge()).refusal == Reason.AMOUNT_MISMATCH
    with pytest.raises(InvariantBroken):
        await shop.confirm()
    await shop.refund()
    assert shop.gateway.refunded == [taken[0]]


async def test_a_refund_is_tried_on_until_it_succeeds(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    await shop.charge()
    shop.gateway.refund_status = RefundStatus.PENDING
    with pytest.raises(Exception, match="pending"):
        await shop.refund()
    assert await shop.value("SELECT status FROM payments") == "refunding"
    with pytest.raises(InvariantBroken):
        await shop.cancel()
    shop.gateway.refund_status = RefundStatus.SUCCEEDED
    assert (await shop.refund()).status == PaymentStatus.REFUNDED
    await shop.cancel()
    await shop.release()


async def test_a_refund_that_had_succeeded_is_never_pending_again(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    await shop.charge()
    await shop.refund()
    # The bank sends the money back, and the provider's second refund takes its time.
    shop.gateway.refunded.clear()
    shop.gateway.refund_status = RefundStatus.PENDING
    with pytest.raises(ProviderUnavailable, match="pending"):
        await shop.refund()
    assert await shop.value("SELECT status FROM refunds") == "succeeded"
    shop.gateway.refund_status = RefundStatus.SUCCEEDED
    assert (await shop.refund()).status == PaymentStatus.REFUNDED


async def test_a_declined_payment_leaves_nothing_to_give_back(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", decline_code="insufficient_funds")
    answer = await shop.charge()
    assert (answer.status, answer.decline_code) == (PaymentStatus.DECLINED, "insufficient_funds")
    assert (await shop.refund()).status == PaymentStatus.DECLINED


async def _in_doubt(shop: Shop) -> None:
    """A charge of which nobody knows."""
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await shop.charge()


async def test_a_declined_customer_pays_on_the_same_intent(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = Charge(
        PaymentStatus.DECLINED, "pi_1", 0, "EUR", "generic_decline", latest_charge="ch_1"
    )
    await shop.charge()
    shop.gateway.charge_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR", latest_charge="ch_2")
    assert (await shop.charge(attempt=2)).status == PaymentStatus.CAPTURED
    first, second = shop.gateway.charged
    assert (first.provider_reference, first.idempotency_key) == (None, "chk_1-1")
    assert (second.provider_reference, second.idempotency_key) == ("pi_1", "chk_1-2")
    assert (second.shares_intent, second.earlier_charges, second.is_reported) == (True, ("ch_1",), False)


async def test_a_decline_of_the_first_try_says_nothing_of_the_second(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    declined = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "generic_decline", latest_charge="ch_1")
    shop.gateway.charge_answer = declined
    await shop.charge()
    shop.gateway.charge_answer, shop.gateway.find_answer = OutcomeUnknown("the line went dead"), declined
    with pytest.raises(OutcomeUnknown):
        await shop.charge(attempt=2)
    assert await shop.value("SELECT status FROM payments WHERE attempt = 2") == "unknown"


async def test_while_one_try_is_open_there_is_no_other(shop: Shop) -> None:
    await _in_doubt(shop)
    with pytest.raises(InvariantBroken):
        await shop.charge(attempt=2)
    assert len(shop.gateway.charged) == 1


async def test_after_a_void_the_next_try_takes_a_new_intent(shop: Shop) -> None:
    await _in_doubt(shop)
    assert (await shop.settle()).status == PaymentStatus.VOIDED
    shop.gateway.charge_answer = Charge(PaymentStatus.CAPTURED, "pi_2", 2580, "EUR")
    assert (await shop.charge(attempt=2)).status == PaymentStatus.CAPTURED
    assert shop.gateway.charged[-1].provider_reference is None


@pytest.mark.parametrize("found", [None, Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR")])
async def test_a_capture_that_the_provider_denies_is_not_believed(shop: Shop, found: Charge | None) -> None:
    await _in_doubt(shop)
    shop.gateway.find_answer = found
    with pytest.raises(Contradicted):
        await shop.resolve(PaymentStatus.CAPTURED, "pi_1")


async def test_a_capture_of_another_checkout_is_not_believed(shop: Shop) -> None:
    await _in_doubt(shop)
    shop.gateway.find_answer = ProviderRefusedCall("not an intent of chk_1")
    with pytest.raises(Contradicted):
        await shop.resolve(PaymentStatus.CAPTURED, "pi_other")


async def test_not_charged_is_not_believed_when_it_was(shop: Shop) -> None:
    await _in_doubt(shop)
    shop.gateway.void_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    with pytest.raises(Contradicted):
        await shop.resolve(PaymentStatus.VOIDED)
    assert (await shop.look_up()).status == PaymentStatus.CAPTURED


async def test_a_person_is_believed_while_the_provider_is_silent(shop: Shop) -> None:
    await _in_doubt(shop)
    shop.gateway.find_answer = OutcomeUnknown("away")
    with pytest.raises(Contradicted, match="reference"):
        await shop.resolve(PaymentStatus.CAPTURED)
    answer = await shop.resolve(PaymentStatus.CAPTURED, "pi_1")
    assert (answer.status, answer.verified) == (PaymentStatus.CAPTURED, False)
    assert await shop.value("SELECT actor || ': ' || reason FROM payments") == "support:desk: the bank says so"
    await shop.confirm()


async def test_a_decline_without_a_charge_says_nothing_of_the_next_try(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    declined = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "authentication_failed")
    shop.gateway.charge_answer = declined
    await shop.charge()
    shop.gateway.charge_answer, shop.gateway.find_answer = OutcomeUnknown("the line went dead"), declined
    with pytest.raises(OutcomeUnknown):
        await shop.charge(attempt=2)
