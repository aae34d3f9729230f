"""How every payment gateway refunds."""

import pytest

from checkout.domain.errors import (
    ChargeDisputed,
    KeyUsedOtherwise,
    NothingLeftToRefund,
)
from checkout.domain.states import RefundStatus
from checkout.payments.gateway import PaymentGateway
from tests.support.attempts import attempt, refund_of
from tests.support.sandbox_server import SandboxServer
from tests.support.waiting import until


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

    async def test_a_refund_can_be_pending(self, gateway: PaymentGateway, methods: dict[str, str]) -> None:
        one = attempt(methods["refund_pending"])
        reference = (await gateway.charge(one)).provider_reference
        await gateway.refund(refund_of(one, reference, 2580))
        await until(lambda: _statuses(gateway, reference), lambda found: found == [RefundStatus.SUCCEEDED])

    async def test_a_refund_can_fail_after_it_succeeded(self, gateway: PaymentGateway, methods: dict[str, str]) -> None:
        one = attempt(methods["refund_fails"])
        reference = (await gateway.charge(one)).provider_reference
        await gateway.refund(refund_of(one, reference, 2580))
        await until(lambda: _statuses(gateway, reference), lambda found: found == [RefundStatus.FAILED])
        entry = await gateway.entry(reference)
        assert entry is not None
        assert entry.held_minor == 2580

    async def test_a_disputed_charge_is_not_refunded(
        self, gateway: PaymentGateway, methods: dict[str, str], sandbox: SandboxServer
    ) -> None:
        one = attempt(methods["disputed"])
        reference = (await gateway.charge(one)).provider_reference
        if methods["disputed"] == "pm_card_visa":  # The sandbox has no card that is disputed by itself.
            disputed = await sandbox.http.post("/sandbox/dashboard/dispute", json={"payment_intent": reference})
            disputed.raise_for_status()
        await until(lambda: _held_minor(gateway, reference), lambda minor: minor == 0)
        with pytest.raises(ChargeDisputed):
            await gateway.refund(refund_of(one, reference, 2580))


async def _statuses(gateway: PaymentGateway, reference: str) -> list[RefundStatus]:
    return [refund.status for refund in await gateway.refunds(reference)]


async def _held_minor(gateway: PaymentGateway, reference: str) -> int:
    entry = await gateway.entry(reference)
    assert entry is not None
    return entry.held_minor
