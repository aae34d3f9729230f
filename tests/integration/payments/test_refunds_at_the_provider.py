"""Undos of a payment with a provider that behaves as Stripe does: refunds refused, pending, or made by hand."""

import pytest

from checkout.domain.errors import (
    ProviderUnavailable,
)
from checkout.domain.states import PaymentStatus
from tests.support.sandbox_steps import SandboxSteps
from tests.support.waiting import until


async def test_a_refund_refused_under_a_key_is_made_under_another(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_sandbox_refund_refused")
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await sandbox_steps.steps.refund()
    await sandbox_steps.provider.recover()
    assert await sandbox_steps.undone() == PaymentStatus.REFUNDED
    assert await sandbox_steps.refunds() == [(2580, "succeeded")]
    first = f"chk_1-{(await sandbox_steps.intent())['id']}-refund"
    assert (await sandbox_steps.keys("refund"))[:2] == [first, f"{first}-2"]


async def test_a_refund_made_by_hand_is_not_made_again(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_card_visa")
    await sandbox_steps.dashboard("refund", amount=580)
    assert (await sandbox_steps.steps.refund()).status == PaymentStatus.REFUNDED
    assert sorted(await sandbox_steps.refunds()) == [(580, "succeeded"), (2000, "succeeded")]
    assert (await sandbox_steps.steps.refund()).status == PaymentStatus.REFUNDED
    assert len(await sandbox_steps.refunds()) == 2


async def test_a_full_refund_by_hand_needs_no_refund(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_card_visa")
    await sandbox_steps.dashboard("refund")
    assert (await sandbox_steps.steps.refund()).status == PaymentStatus.REFUNDED
    assert (await sandbox_steps.refunds(), await sandbox_steps.keys("refund")) == ([(2580, "succeeded")], [])


async def test_only_what_a_partial_refund_by_hand_left_is_refunded(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_sandbox_refund_refused")
    with pytest.raises(ProviderUnavailable):
        await sandbox_steps.steps.refund()
    await sandbox_steps.provider.recover()
    await sandbox_steps.dashboard("refund", amount=80)
    assert await sandbox_steps.undone() == PaymentStatus.REFUNDED
    assert sorted(await sandbox_steps.refunds()) == [(80, "succeeded"), (2500, "succeeded")]


async def test_a_pending_refund_is_awaited(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_sandbox_refund_pending")
    with pytest.raises(ProviderUnavailable, match="pending"):
        await sandbox_steps.steps.refund()
    assert await sandbox_steps.undone() == PaymentStatus.REFUNDED
    assert await sandbox_steps.refunds() == [(2580, "succeeded")]


async def test_a_refund_that_failed_afterwards_is_made_again(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_sandbox_refund_fails")
    await sandbox_steps.steps.refund()
    await until(sandbox_steps.refunds, lambda refunds: refunds == [(2580, "failed")])
    assert await sandbox_steps.undone() == PaymentStatus.REFUNDED
    assert await sandbox_steps.refunds() == [(2580, "failed"), (2580, "succeeded")]


async def test_a_disputed_charge_counts_as_given_back_by_the_bank(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_card_visa")
    await sandbox_steps.dashboard("dispute")
    assert (await sandbox_steps.steps.refund()).status == PaymentStatus.REFUNDED
    await sandbox_steps.steps.cancel()
    await sandbox_steps.steps.release()
    assert await sandbox_steps.refunds() == []


async def test_an_undo_refunds_a_capture_that_the_tables_call_declined(sandbox_steps: SandboxSteps) -> None:
    assert (await sandbox_steps.pay("pm_card_visa")).status == PaymentStatus.CAPTURED
    await sandbox_steps.steps.tamper("UPDATE payments SET status = 'declined', captured_minor = NULL")
    assert (await sandbox_steps.steps.refund()).status == PaymentStatus.REFUNDED
    assert await sandbox_steps.refunds() == [(2580, "succeeded")]
    assert await sandbox_steps.steps.value("SELECT status FROM payments") == "refunded"
