"""How every payment gateway charges, finds and voids. The suite runs against each adapter there is."""

import time
from dataclasses import replace

import pytest

from checkout.domain.errors import (
    OutcomeUnknown,
    ProviderRefusedCall,
)
from checkout.domain.states import PaymentStatus, RefundStatus
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.attempts import attempt, refund_of
from tests.support.sandbox_server import SandboxServer


class TestEveryGateway:
    async def test_a_charge_takes_what_was_asked(self, gateway: PaymentGateway) -> None:
        charge = await gateway.charge(attempt())
        assert charge.status is PaymentStatus.CAPTURED
        assert (charge.captured_minor, charge.currency) == (2580, "EUR")

    async def test_a_key_charges_once_however_often_it_is_sent(self, gateway: PaymentGateway) -> None:
        one = attempt()
        first = await gateway.charge(one)
        assert [await gateway.charge(one) for _ in range(3)] == [first] * 3
        assert await gateway.find(one) == first

    async def test_a_decline_is_a_result_and_not_an_error(self, gateway: PaymentGateway) -> None:
        charge = await gateway.charge(attempt("pm_card_visa_chargeDeclinedInsufficientFunds"))
        assert charge.status is PaymentStatus.DECLINED
        assert (charge.decline_code, charge.captured_minor, charge.retryable) == ("insufficient_funds", 0, True)

    async def test_the_intent_of_another_try_says_nothing_of_this_one(self, gateway: PaymentGateway) -> None:
        first = attempt("pm_card_authenticationRequired")
        await gateway.charge(first)
        voided = await gateway.void(first)
        assert voided is not None
        assert voided.status is PaymentStatus.VOIDED
        second = replace(first, number=2, idempotency_key=f"{first.checkout_id}-2", payment_method="pm_card_visa")
        assert await gateway.find(second) is None
        assert await gateway.void(second) is None
        with pytest.raises((OutcomeUnknown, ProviderRefusedCall)):  # Its key is burnt.
            await gateway.charge(second)
        assert await gateway.find(second) is None

    async def test_a_second_attempt_pays_the_same_intent(self, gateway: PaymentGateway) -> None:
        first = attempt("pm_card_visa_chargeDeclined")
        declined = await gateway.charge(first)
        assert declined.decline_code == "generic_decline"
        second = replace(
            first,
            number=2,
            idempotency_key=f"{first.checkout_id}-2",
            payment_method="pm_card_visa",
            provider_reference=declined.provider_reference,
        )
        captured = await gateway.charge(second)
        assert captured.status is PaymentStatus.CAPTURED
        assert captured.provider_reference == declined.provider_reference
        assert await gateway.charge(second) == captured

    async def test_each_decline_of_an_intent_is_told_from_the_one_before(self, gateway: PaymentGateway) -> None:
        first = attempt("pm_card_visa_chargeDeclined")
        before = await gateway.charge(first)
        second = replace(
            first, number=2, idempotency_key=f"{first.checkout_id}-2", provider_reference=before.provider_reference
        )
        after = await gateway.charge(second)
        assert before.latest_charge is not None
        assert after.status is PaymentStatus.DECLINED
        assert after.latest_charge not in (None, before.latest_charge)
        assert await gateway.find(second) == after

    async def test_a_paid_intent_is_not_paid_again_by_a_later_attempt(self, gateway: PaymentGateway) -> None:
        first = attempt()
        captured = await gateway.charge(first)
        second = replace(
            first, number=2, idempotency_key=f"{first.checkout_id}-2", provider_reference=captured.provider_reference
        )
        assert await gateway.charge(second) == captured

    async def test_what_was_never_sent_is_not_found(self, gateway: PaymentGateway) -> None:
        assert await gateway.find(attempt()) is None

    async def test_an_attempt_is_found_by_reference_and_by_our_own_id(self, gateway: PaymentGateway) -> None:
        one = attempt()
        charge = await gateway.charge(one)
        assert await gateway.find(one) == charge
        assert await gateway.find(replace(one, provider_reference=charge.provider_reference)) == charge

    async def test_another_checkouts_intent_is_refused(self, gateway: PaymentGateway) -> None:
        charge = await gateway.charge(attempt())
        with pytest.raises(ProviderRefusedCall, match="not made for this try"):
            await gateway.find(attempt().claimed_under(charge.provider_reference))

    async def test_a_fenced_key_can_never_charge(self, gateway: PaymentGateway) -> None:
        one = attempt()
        assert await gateway.void(one) is None
        with pytest.raises(OutcomeUnknown):
            await gateway.charge(one)
        assert await gateway.find(one) is None
        assert await gateway.void(one) is None

    async def test_voiding_what_was_captured_says_so(self, gateway: PaymentGateway) -> None:
        one = attempt()
        captured = await gateway.charge(one)
        assert await gateway.void(one) == captured
        assert await gateway.void(replace(one, provider_reference=captured.provider_reference)) == captured

    async def test_a_declined_attempt_that_is_voided_can_never_charge(self, gateway: PaymentGateway) -> None:
        one = attempt("pm_card_visa_chargeDeclined")
        declined = await gateway.charge(one)
        for _ in range(2):
            voided = await gateway.void(one)
            assert voided is not None
            assert voided.status is PaymentStatus.VOIDED
        late = replace(
            one, number=2, idempotency_key=f"{one.checkout_id}-2", provider_reference=declined.provider_reference
        )
        assert (await gateway.charge(late)).status is PaymentStatus.VOIDED

    async def test_a_refund_asked_for_twice_is_one_refund(self, gateway: PaymentGateway) -> None:
        one = attempt()
        charge = await gateway.charge(one)
        refund = await gateway.refund(refund_of(one, charge.provider_reference, 2580))
        assert (refund.status, refund.amount_minor, refund.currency) == (RefundStatus.SUCCEEDED, 2580, "EUR")
        assert await gateway.refund(refund_of(one, charge.provider_reference, 2580)) == refund

    async def test_without_a_return_url_there_is_no_page(self, sandbox: SandboxServer) -> None:
        settings = sandbox.payment_settings().model_copy(update={"payment_return_url": None})
        gateway = StripeGateway(settings)
        charge = await gateway.charge(attempt("pm_card_authenticationRequired"))
        assert (charge.status, charge.next_action_url) == (PaymentStatus.REQUIRES_ACTION, None)
        await gateway.close()

    async def test_required_authentication_has_a_next_action(self, gateway: PaymentGateway) -> None:
        charge = await gateway.charge(attempt("pm_card_authenticationRequired"))
        assert (charge.status, charge.captured_minor) == (PaymentStatus.REQUIRES_ACTION, 0)

    @pytest.mark.parametrize(("currency", "amount_minor"), [("JPY", 500), ("ISK", 700), ("UGX", 9000), ("KWD", 5120)])
    async def test_every_kind_of_currency_is_charged_to_the_unit(
        self, gateway: PaymentGateway, currency: str, amount_minor: int
    ) -> None:
        one = attempt(currency=currency, amount_minor=amount_minor)
        charge = await gateway.charge(one)
        assert (charge.captured_minor, charge.currency) == (amount_minor, currency)
        refund = await gateway.refund(refund_of(one, charge.provider_reference, amount_minor))
        assert refund.amount_minor == amount_minor

    async def test_an_unknown_payment_method_is_an_error_and_not_a_decline(self, gateway: PaymentGateway) -> None:
        one = attempt("pm_there_is_no_such_thing")
        with pytest.raises(ProviderRefusedCall, match="resource_missing") as refused:
            await gateway.charge(one)
        assert one.payment_method not in str(refused.value)
        assert await gateway.void(one) is None

    async def test_an_amount_out_of_range_is_refused_and_needs_no_undo(self, gateway: PaymentGateway) -> None:
        one = attempt(currency="KWD", amount_minor=5125)
        with pytest.raises(ProviderRefusedCall, match="third decimal"):
            await gateway.charge(one)
        assert await gateway.void(one) is None

    async def test_a_key_that_the_provider_may_have_forgotten_is_not_sent(self, gateway: PaymentGateway) -> None:
        with pytest.raises(OutcomeUnknown, match="forgotten"):
            await gateway.charge(attempt(started_at=int(time.time()) - 90_000))


@pytest.mark.parametrize("again", [False, True])
async def test_the_customer_comes_back_to_the_shop_after_authenticating(sandbox: SandboxServer, again: bool) -> None:
    settings = sandbox.payment_settings().model_copy(update={"payment_return_url": "https://shop.example/paid?x=1"})
    gateway = StripeGateway(settings)
    one = attempt("pm_card_visa_chargeDeclined" if again else "pm_card_authenticationRequired")
    charge = await gateway.charge(one)
    if again:
        key, reference = f"{one.checkout_id}-2", charge.provider_reference
        one = replace(one, number=2, idempotency_key=key, provider_reference=reference)
        one = replace(one, payment_method="pm_card_authenticationRequired")
        charge = await gateway.charge(one)
    assert await gateway.charge(one) == charge
    approved = await sandbox.http.post(f"{charge.next_action_url}/approve")
    assert (approved.status_code, approved.headers["location"]) == (303, "https://shop.example/paid?x=1")
    await gateway.close()
