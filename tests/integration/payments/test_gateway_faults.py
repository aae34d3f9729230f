"""What the gateway makes of a provider that fails, hangs, lies about amounts, or is killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from checkout.domain.errors import (
    NothingLeftToRefund,
    OutcomeUnknown,
    ProviderError,
    ProviderRefusedCall,
    ProviderRefusesKey,
    ProviderUnavailable,
)
from checkout.domain.payments import Attempt, Charge
from checkout.domain.states import PaymentStatus
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.attempts import attempt, refund_of
from tests.support.sandbox_server import SandboxServer, sandbox_server
from tests.support.waiting import until

# Shorter than the late capture's hang.
TIMEOUT_SECONDS = 1.0


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("faults")) as server:
        yield server


@pytest.fixture
async def gateway(sandbox: SandboxServer) -> AsyncIterator[PaymentGateway]:
    gateway = StripeGateway(sandbox.payment_settings(TIMEOUT_SECONDS))
    yield gateway
    await gateway.close()


async def test_a_charge_with_a_lost_response_is_found(gateway: PaymentGateway) -> None:
    one = attempt("pm_sandbox_lost_response")
    with pytest.raises(OutcomeUnknown):
        await gateway.charge(one)
    found = await gateway.find(one)
    assert found is not None
    assert found.status is PaymentStatus.CAPTURED
    assert await gateway.charge(one) == found


async def test_a_500_after_the_charge_stays_a_500_but_the_charge_is_found(gateway: PaymentGateway) -> None:
    one = attempt("pm_sandbox_error_after_charge")
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            await gateway.charge(one)
    found = await gateway.find(one)
    assert found is not None
    assert found.status is PaymentStatus.CAPTURED


async def test_a_flaky_provider_charges_at_the_third_call(gateway: PaymentGateway, sandbox: SandboxServer) -> None:
    one = attempt("pm_sandbox_flaky")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await gateway.charge(one)
    assert await sandbox.intents_of(one.checkout_id) == []
    assert (await gateway.charge(one)).status is PaymentStatus.CAPTURED


async def test_an_unavailable_provider_serves_after_it_has_recovered(
    gateway: PaymentGateway, sandbox: SandboxServer
) -> None:
    one = attempt("pm_sandbox_unavailable")
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            await gateway.charge(one)
    await sandbox.recover()
    assert (await gateway.charge(one)).status is PaymentStatus.CAPTURED


async def test_a_late_capture_is_one_capture_in_the_end(gateway: PaymentGateway, sandbox: SandboxServer) -> None:
    one = attempt("pm_sandbox_late_capture")
    with pytest.raises(OutcomeUnknown):
        await gateway.charge(one)
    with pytest.raises(OutcomeUnknown):  # the key is in use
        await gateway.charge(one)
    found = await until(lambda: gateway.find(one), lambda it: it and it.status is PaymentStatus.CAPTURED)
    assert await gateway.charge(one) == found
    assert [it["amount_received"] for it in await sandbox.intents_of(one.checkout_id)] == [2580]


async def test_a_void_prevents_a_late_capture(gateway: PaymentGateway, sandbox: SandboxServer) -> None:
    one = attempt("pm_sandbox_late_capture")
    with pytest.raises(OutcomeUnknown):
        await gateway.charge(one)
    await until(lambda: gateway.find(one), bool)
    voided = await gateway.void(one)
    assert voided is not None
    assert voided.status is PaymentStatus.VOIDED
    with pytest.raises(ProviderRefusedCall):  # the saved answer of the request that hung
        await gateway.charge(one)
    assert [it["status"] for it in await sandbox.intents_of(one.checkout_id)] == ["canceled"]


async def test_a_fence_waits_for_a_request_that_is_still_running(gateway: PaymentGateway) -> None:
    one = attempt("pm_sandbox_late_capture")
    with pytest.raises(OutcomeUnknown):
        await gateway.charge(one)
    with pytest.raises(OutcomeUnknown):
        await gateway.void(one)


async def test_a_processing_payment_settles_and_cannot_be_voided_before(gateway: PaymentGateway) -> None:
    one = attempt("pm_sandbox_processing")
    assert (await gateway.charge(one)).status is PaymentStatus.PENDING
    voided = await gateway.void(one)
    assert voided is not None
    assert voided.status is PaymentStatus.PENDING
    await until(lambda: gateway.charge(one), lambda it: it.status is PaymentStatus.CAPTURED)
    captured = await gateway.void(one)
    assert captured is not None
    assert captured.status is PaymentStatus.CAPTURED


async def test_a_wrong_amount_is_reported_as_captured(gateway: PaymentGateway) -> None:
    charge = await gateway.charge(attempt("pm_sandbox_wrong_amount"))
    assert charge.status is PaymentStatus.CAPTURED
    assert charge.captured_minor != 2580


async def test_a_refund_made_by_another_counts(gateway: PaymentGateway, sandbox: SandboxServer) -> None:
    one = attempt()
    reference = (await gateway.charge(one)).provider_reference
    by_hand = await sandbox.http.post("/v1/refunds", data={"payment_intent": reference})
    with pytest.raises(NothingLeftToRefund):
        await gateway.refund(refund_of(one, reference, 2580))
    assert [refund.provider_reference for refund in await gateway.refunds(reference)] == [by_hand.json()["id"]]


async def test_a_next_action_leads_to_a_page(gateway: PaymentGateway, sandbox: SandboxServer) -> None:
    charge = await gateway.charge(attempt("pm_card_authenticationRequired"))
    assert charge.next_action_url is not None
    assert charge.next_action_url.startswith(f"{sandbox.url}/")


async def test_a_killed_provider_loses_nothing_that_it_confirmed(
    gateway: PaymentGateway, sandbox: SandboxServer
) -> None:
    plain, failing, late = attempt(), attempt("pm_sandbox_error_after_charge"), attempt("pm_sandbox_late_capture")
    charge = await gateway.charge(plain)
    for one in (failing, late):
        with pytest.raises(OutcomeUnknown):
            await gateway.charge(one)
    await sandbox.kill_and_restart()
    assert await gateway.charge(plain) == charge
    with pytest.raises(OutcomeUnknown):
        await gateway.charge(failing)
    await until(lambda: gateway.find(late), lambda it: it and it.status is PaymentStatus.CAPTURED)
    for one in (plain, failing, late):
        assert [it["status"] for it in await sandbox.intents_of(one.checkout_id)] == ["succeeded"]


async def test_a_kill_under_load_leaves_one_charge_for_each_key(sandbox: SandboxServer) -> None:
    # With the time that a call has in production: a hundred at once take longer than one is given here elsewhere.
    gateway = StripeGateway(sandbox.payment_settings(10))
    attempts = [attempt() for _ in range(100)]
    charges = [asyncio.ensure_future(gateway.charge(one)) for one in attempts]
    await asyncio.wait(charges, return_when=asyncio.FIRST_COMPLETED)
    await sandbox.kill_and_restart()
    first = await asyncio.gather(*charges, return_exceptions=True)
    second = await asyncio.gather(*(_insist(gateway, one) for one in attempts))
    await gateway.close()
    for before, after in zip(first, second, strict=True):
        assert isinstance(before, ProviderError) or before == after
    ours = {one.checkout_id for one in attempts}
    seen = [it["metadata"]["checkout_id"] for it in (await sandbox.ledger())["intents"]]
    assert sorted(seen_id for seen_id in seen if seen_id in ours) == sorted(ours)


async def _insist(gateway: PaymentGateway, one: Attempt) -> Charge:
    """Ask until it is certain, as a retry does."""
    while True:
        with suppress(ProviderError):
            return await gateway.charge(one)


async def test_a_refused_connection_means_that_nothing_happened(tmp_path: Path) -> None:
    async with sandbox_server(tmp_path) as stopped:
        gateway = StripeGateway(stopped.payment_settings())
        await stopped.kill()
        with pytest.raises(ProviderUnavailable):
            await gateway.charge(attempt())
        await gateway.close()


async def test_a_wrong_key_is_told_and_is_not_shown(sandbox: SandboxServer) -> None:
    # Past the check of the settings, as a key that was revoked is.
    wrong = {"stripe_api_key": SecretStr("not_a_key_but_a_secret")}
    gateway = StripeGateway(sandbox.payment_settings().model_copy(update=wrong))
    try:
        with pytest.raises(ProviderRefusesKey) as refused:
            await gateway.charge(attempt())
    finally:
        await gateway.close()
    assert "secret" not in str(refused.value)
