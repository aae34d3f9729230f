"""What every payment gateway shows of its ledger, and whose a payment is."""

import time
from dataclasses import replace

import pytest

from checkout.domain.errors import (
    NotAtProvider,
)
from checkout.domain.payments import LedgerEntry
from checkout.domain.states import PaymentStatus
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.attempts import attempt, refund_of
from tests.support.sandbox_server import SandboxServer


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


async def ledger(gateway: PaymentGateway) -> list[LedgerEntry]:
    """What was made in the last minutes."""
    found = [entry async for entry in gateway.ledger(int(time.time()) - 300, int(time.time()) + 300)]
    return [entry for entry in found if isinstance(entry, LedgerEntry)]
