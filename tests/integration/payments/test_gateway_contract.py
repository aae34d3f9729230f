"""What every payment gateway must do. The suite runs against each adapter there is."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from checkout.config.settings import PaymentSettings
from checkout.domain.errors import (
    ChargeDisputed,
    KeyUsedOtherwise,
    NotAtProvider,
    NothingLeftToRefund,
    OutcomeUnknown,
    ProviderRefusedCall,
)
from checkout.domain.payments import LedgerEntry
from checkout.domain.states import PaymentStatus, RefundStatus
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.attempts import attempt, refund_of
from tests.support.sandbox_server import SandboxServer, sandbox_server
from tests.support.waiting import until

Methods = dict[str, str]
_METHODS: dict[str, Methods] = {
    "sandbox": {
        "refund_pending": "pm_sandbox_refund_pending",
        "refund_fails": "pm_sandbox_refund_fails",
        "disputed": "pm_card_visa",
    },
    "stripe": {
        "refund_pending": "pm_card_pendingRefund",
        "refund_fails": "pm_card_refundFail",
        "disputed": "pm_card_createDispute",
    },
}
STRIPE_TEST_KEY = os.environ.get("CHECKOUT_TEST_STRIPE_KEY")


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("contract")) as server:
        yield server


@pytest.fixture(params=["sandbox", *(["stripe"] if STRIPE_TEST_KEY else [])])
async def gateway(request: pytest.FixtureRequest, sandbox: SandboxServer) -> AsyncIterator[PaymentGateway]:
    """Stripe's own test mode takes part where a key for it is at hand."""
    settings = sandbox.payment_settings()
    if request.param == "stripe":
        settings = PaymentSettings.model_validate(
            {"stripe_api_key": STRIPE_TEST_KEY, "payment_return_url": "https://shop.example/paid"}
        )
    gateway = StripeGateway(settings)
    yield gateway
    await gateway.close()


@pytest.fixture
def methods(request: pytest.FixtureRequest) -> Methods:
    """Payment methods that do the same here and there."""
    return _METHODS["sandbox" if request.node.callspec.params["gateway"] == "sandbox" else "stripe"]


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


class TestTheRefundsOfEveryGateway:
    """Stripe's own test methods for the same are those of https://docs.stripe.com/testing#refunds."""

    async def test_a_part_can_be_refunded_and_then_the_remainder(self, gateway: PaymentGateway) -> None:
        one = attempt()
        reference = (await gateway.charge(one)).provider_reference
        assert await gateway.refunds(reference) == []
        await gateway.refund(refund_of(one, reference, 580, "a"))
        await gateway.refund(refund_of(one, reference, 2000, "b"))
        assert [refund.amount_minor for refund in await gateway.refunds(reference)] == [2000, 580]

    async def test_no_more_is_refunded_than_remains(self, gateway: PaymentGateway) -> None:
        one = attempt()
        reference = (await gateway.charge(one)).provider_reference
        await gateway.refund(refund_of(one, reference, 580, "a"))
        with pytest.raises(NothingLeftToRefund):
            await gateway.refund(refund_of(one, reference, 2580, "b"))
        await gateway.refund(refund_of(one, reference, 2000, "c"))
        with pytest.raises(NothingLeftToRefund):
            await gateway.refund(refund_of(one, reference, 1, "d"))

    async def test_a_key_stands_for_one_amount(self, gateway: PaymentGateway) -> None:
        one = attempt()
        reference = (await gateway.charge(one)).provider_reference
        await gateway.refund(refund_of(one, reference, 580))
        with pytest.raises(KeyUsedOtherwise):
            await gateway.refund(refund_of(one, reference, 2000))

    async def test_a_repeated_response_is_told_from_a_new_one(self, gateway: PaymentGateway) -> None:
        one = attempt()
        reference = (await gateway.charge(one)).provider_reference
        answers = [await gateway.refund(refund_of(one, reference, 2580)) for _ in range(2)]
        assert [refund.is_replay for refund in answers] == [False, True]

    async def test_a_refund_can_be_pending(self, gateway: PaymentGateway, methods: Methods) -> None:
        one = attempt(methods["refund_pending"])
        reference = (await gateway.charge(one)).provider_reference
        await gateway.refund(refund_of(one, reference, 2580))
        await until(lambda: _statuses(gateway, reference), lambda found: found == [RefundStatus.SUCCEEDED])

    async def test_a_refund_can_fail_after_it_succeeded(self, gateway: PaymentGateway, methods: Methods) -> None:
        one = attempt(methods["refund_fails"])
        reference = (await gateway.charge(one)).provider_reference
        await gateway.refund(refund_of(one, reference, 2580))
        await until(lambda: _statuses(gateway, reference), lambda found: found == [RefundStatus.FAILED])
        entry = await gateway.entry(reference)
        assert entry is not None
        assert entry.held_minor == 2580

    async def test_a_disputed_charge_is_not_refunded(
        self, gateway: PaymentGateway, methods: Methods, sandbox: SandboxServer
    ) -> None:
        one = attempt(methods["disputed"])
        reference = (await gateway.charge(one)).provider_reference
        if methods["disputed"] == "pm_card_visa":  # The sandbox has no card that is disputed by itself.
            disputed = await sandbox.http.post("/sandbox/dashboard/dispute", json={"payment_intent": reference})
            disputed.raise_for_status()
        await until(lambda: _held_minor(gateway, reference), lambda minor: minor == 0)
        with pytest.raises(ChargeDisputed):
            await gateway.refund(refund_of(one, reference, 2580))


class TestWhoseEveryPaymentIs:
    async def test_a_payment_carries_the_deployments_mark(self, gateway: PaymentGateway) -> None:
        charge = await gateway.charge(attempt(deployment="deployment-1"))
        entry = await gateway.entry(charge.provider_reference)
        assert entry is not None
        assert entry.deployment == "deployment-1"

    async def test_a_payment_without_the_mark_is_not_found_as_ours(self, gateway: PaymentGateway) -> None:
        foreign = attempt()
        await gateway.charge(foreign)
        assert await gateway.find(replace(foreign, deployment="deployment-1")) is None

    async def test_an_account_is_known_by_its_payments(self, gateway: PaymentGateway) -> None:
        charge = await gateway.charge(attempt())
        assert await gateway.sees(charge.provider_reference)
        assert not await gateway.sees("pi_there_is_no_such_intent")

    async def test_a_missing_payment_is_told_from_a_refused_call(self, gateway: PaymentGateway) -> None:
        with pytest.raises(NotAtProvider):
            await gateway.find(attempt(provider_reference="pi_there_is_no_such_intent"))


class TestTheLedgerOfEveryGateway:
    async def test_the_ledger_shows_captured_and_refunded_amounts(self, gateway: PaymentGateway) -> None:
        kept, returned, declined = attempt(), attempt(), attempt("pm_card_visa_chargeDeclined")
        charges = [await gateway.charge(one) for one in (kept, returned, declined)]
        await gateway.refund(refund_of(returned, charges[1].provider_reference, 2580))
        found = {entry.checkout_id: entry for entry in await ledger(gateway)}
        mine = [found[one.checkout_id] for one in (kept, returned, declined)]
        assert [(entry.captured_minor, entry.refunded_minor) for entry in mine] == [(2580, 0), (2580, 2580), (0, 0)]
        assert [entry.held_minor for entry in mine] == [2580, 0, 0]
        assert [entry.status for entry in mine] == [
            PaymentStatus.CAPTURED,
            PaymentStatus.CAPTURED,
            PaymentStatus.DECLINED,
        ]
        assert [entry.provider_reference for entry in mine] == [charge.provider_reference for charge in charges]
        assert {(entry.attempt, entry.currency) for entry in mine} == {(1, "EUR")}

    async def test_one_entry_is_read_by_its_reference(self, gateway: PaymentGateway) -> None:
        charge = await gateway.charge(attempt("pm_card_authenticationRequired"))
        entry = await gateway.entry(charge.provider_reference)
        assert entry is not None
        assert (entry.status, entry.held_minor, entry.may_still_capture) == (PaymentStatus.REQUIRES_ACTION, 0, True)
        assert await gateway.entry("pi_there_is_no_such_intent") is None

    async def test_the_ledger_shows_no_fences(self, gateway: PaymentGateway) -> None:
        one = attempt()
        assert await gateway.void(one) is None
        assert one.checkout_id not in {entry.checkout_id for entry in await ledger(gateway)}

    async def test_the_ledger_keeps_to_the_period_asked_for(self, gateway: PaymentGateway) -> None:
        charge = await gateway.charge(attempt())
        entry = await gateway.entry(charge.provider_reference)
        assert entry is not None
        exactly = [one.provider_reference async for one in gateway.ledger(entry.created, entry.created)]
        before = [one.provider_reference async for one in gateway.ledger(entry.created - 60, entry.created - 1)]
        assert entry.provider_reference in exactly
        assert entry.provider_reference not in before

    async def test_amounts_are_the_currencys_own_units(self, gateway: PaymentGateway) -> None:
        one = attempt(currency="ISK", amount_minor=700)
        charge = await gateway.charge(one)
        await gateway.refund(refund_of(one, charge.provider_reference, 700))
        entry = await gateway.entry(charge.provider_reference)
        assert entry is not None
        assert (entry.captured_minor, entry.refunded_minor, entry.currency) == (700, 700, "ISK")


async def test_a_ledger_of_many_pages_is_read_whole_and_newest_first(sandbox: SandboxServer) -> None:
    gateway = StripeGateway(sandbox.payment_settings())
    mine = [attempt() for _ in range(120)]
    for one in mine:
        await gateway.charge(one)
    entries = await ledger(gateway)
    assert {one.checkout_id for one in mine} <= {entry.checkout_id for entry in entries}
    assert len({entry.provider_reference for entry in entries}) == len(entries)
    assert [entry.created for entry in entries] == sorted((entry.created for entry in entries), reverse=True)
    await gateway.close()


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


async def ledger(gateway: PaymentGateway) -> list[LedgerEntry]:
    """What was made in the last minutes."""
    found = [entry async for entry in gateway.ledger(int(time.time()) - 300, int(time.time()) + 300)]
    return [entry for entry in found if isinstance(entry, LedgerEntry)]


async def _statuses(gateway: PaymentGateway, reference: str) -> list[RefundStatus]:
    return [refund.status for refund in await gateway.refunds(reference)]


async def _held_minor(gateway: PaymentGateway, reference: str) -> int:
    entry = await gateway.entry(reference)
    assert entry is not None
    return entry.held_minor
