"""What reconciliation puts right: checkouts that nobody works on, and money that belongs to no sale."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowExecutionDescription

from checkout.domain.commands import Cancel
from checkout.domain.reconcile import Mismatch, MismatchKind
from checkout.domain.states import CheckoutStatus
from checkout.temporal.names import CHECKOUT_STATUS
from tests.support.sandbox_shop import SandboxShop
from tests.support.shop import Handle
from tests.support.waiting import until
from workflows.checkout import CheckoutWorkflow
from workflows.reconcile import ReconcileWorkflow


async def terminate_after_reserving(shop: SandboxShop) -> Handle:
    async with shop.engine.begin() as lock:
        await lock.execute(text("LOCK TABLE orders IN EXCLUSIVE MODE"))
        handle = await shop.start()
        await shop.wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", bool)
        await handle.terminate()
    return handle


async def terminate_while_charging(shop: SandboxShop) -> Handle:
    handle = await shop.start("pm_sandbox_unavailable")
    await shop.wait_for("SELECT count(*) FROM payments", bool)
    await handle.terminate()
    return handle


async def terminate_while_the_charge_hangs(shop: SandboxShop) -> Handle:
    """Nothing is seen of the charge yet, and it lands seconds later unless something stops it."""
    handle = await shop.start("pm_sandbox_late_capture")
    await shop.wait_for("SELECT count(*) FROM payments", bool)
    await handle.terminate()
    return handle


async def terminate_while_the_customer_is_awaited(shop: SandboxShop) -> Handle:
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    await handle.terminate()
    return handle


async def terminate_while_stuck(shop: SandboxShop) -> Handle:
    handle = await shop.start("pm_sandbox_unavailable")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "payment_stuck")
    await handle.terminate()
    return handle


async def terminate_once_paid(shop: SandboxShop) -> Handle:
    async with shop.engine.begin() as lock:
        handle = await shop.start("pm_sandbox_processing")
        await shop.wait_for("SELECT status FROM payments", lambda status: status == "pending")
        await lock.execute(text("SELECT FROM checkouts FOR UPDATE"))
        await shop.wait_for("SELECT status FROM payments", lambda status: status == "captured")
        await shop.wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", bool)
        await handle.terminate()
    return handle


async def terminate_while_undoing(shop: SandboxShop) -> Handle:
    handle = await shop.start("pm_sandbox_unavailable")
    await shop.wait_for("SELECT count(*) FROM payments", bool)
    await shop.sandbox.set_faults(outage=True)
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "compensating")
    await handle.terminate()
    await shop.sandbox.recover()
    return handle


@pytest.mark.parametrize(
    "terminate",
    [
        terminate_after_reserving,
        terminate_while_charging,
        terminate_while_the_charge_hangs,
        terminate_while_the_customer_is_awaited,
        terminate_while_stuck,
        terminate_while_undoing,
    ],
)
async def test_a_terminated_checkout_is_undone(
    shop: SandboxShop, terminate: Callable[[SandboxShop], Awaitable[Handle]]
) -> None:
    handle = await terminate(shop)
    assert await shop.found() == [(MismatchKind.ABANDONED_CHECKOUT, True)]
    assert await shop.value("SELECT status FROM checkouts") == CheckoutStatus.CANCELLED
    assert await shop.value("SELECT reserved FROM products") == 0
    assert await shop.held_minor(handle.id) == 0
    assert await shop.found() == []


async def test_a_checkout_terminated_once_paid_is_refunded_or_was_confirmed(shop: SandboxShop) -> None:
    """Its last step may be under way when it is terminated, and then it lands; both endings are whole."""
    handle = await terminate_once_paid(shop)
    await shop.reconcile()
    confirmed = await shop.value("SELECT status FROM checkouts") == CheckoutStatus.CONFIRMED
    assert await shop.held_minor(handle.id) == (2580 if confirmed else 0)
    assert await shop.found() == []


async def test_a_checkout_that_temporal_has_forgotten_is_undone(shop: SandboxShop) -> None:
    columns = "checkout_id, status, customer_id, currency"
    lost = text(f"INSERT INTO checkouts ({columns}) VALUES ('chk_lost', 'processing', 'cus_42', 'EUR')")
    async with shop.engine.begin() as connection:
        await connection.execute(lost)
    mismatch = await shop.the_one_mismatch()
    assert (mismatch.checkout_id, mismatch.repaired) == ("chk_lost", True)
    assert "is gone" in mismatch.detail


async def test_the_audit_log_names_reconciliation_as_the_actor(shop: SandboxShop) -> None:
    await terminate_while_charging(shop)
    await shop.reconcile()
    ending = "SELECT actor, reason FROM audit_log WHERE entity = 'checkout' AND after = 'cancelled'"
    assert await shop.row(ending) == {"actor": "reconciliation", "reason": "cancelled_by_operator"}


async def test_a_running_checkout_is_not_repaired(shop: SandboxShop) -> None:
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    report = await shop.reconcile()
    assert (report.found, report.checked["open checkouts"]) == (0, 1)
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    assert (await handle.result()).status == CheckoutStatus.CANCELLED


async def test_a_payment_of_an_unknown_checkout_is_refunded(shop: SandboxShop) -> None:
    intent = await shop.charge_beside_the_books("chk_unknown")
    mismatch = await shop.the_one_mismatch()
    assert (mismatch.kind, mismatch.provider_reference) == (MismatchKind.CAPTURED_FOR_AN_UNKNOWN_CHECKOUT, intent)
    assert mismatch.repaired
    assert await shop.held_minor("chk_unknown") == 0
    said = "SELECT after FROM audit_log WHERE entity = 'reconciliation' ORDER BY id DESC LIMIT 1"
    assert await shop.value(said) == "succeeded"
    assert await shop.found() == []


async def test_payments_of_many_unknown_checkouts_are_reported_and_not_refunded(shop: SandboxShop) -> None:
    for number in range(21):
        await shop.charge_beside_the_books(f"chk_elsewhere_{number}")
    assert await shop.found() == [(MismatchKind.FOREIGN_LEDGER, False)]
    assert (await shop.sandbox.ledger())["refunds"] == []


async def test_a_capture_after_the_compensation_is_refunded(shop: SandboxShop) -> None:
    handle = await shop.start("pm_sandbox_unavailable")
    await shop.wait_for("SELECT count(*) FROM payments", bool)
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    assert (await handle.result()).status == CheckoutStatus.CANCELLED
    await shop.charge_beside_the_books(handle.id)
    assert await shop.found() == [(MismatchKind.CAPTURED_FOR_NO_ORDER, True)]
    assert await shop.held_minor(handle.id) == 0
    assert await shop.value("SELECT status FROM refunds") == "succeeded"
    assert await shop.found() == []


async def test_an_open_intent_of_an_unknown_checkout_is_cancelled(shop: SandboxShop) -> None:
    intent = await shop.charge_beside_the_books("chk_unknown", method="pm_card_authenticationRequired")
    assert await shop.found() == [(MismatchKind.PAYMENT_STILL_POSSIBLE, True)]
    assert [one["status"] for one in await shop.sandbox.intents_of("chk_unknown")] == ["canceled"]
    assert intent
    assert await shop.found() == []


async def test_of_two_captures_the_one_outside_the_sale_is_refunded(shop: SandboxShop) -> None:
    handle = await shop.start()
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    second = await shop.charge_beside_the_books(handle.id)
    mismatch = await shop.the_one_mismatch()
    assert (mismatch.kind, mismatch.repaired) == (MismatchKind.CAPTURED_TWICE, True)
    assert [one["payment_intent"] for one in (await shop.sandbox.ledger())["refunds"]] == [second]
    assert await shop.held_minor(handle.id) == 2580
    assert await shop.found() == []


async def test_a_second_capture_stays_while_the_first_is_in_doubt(shop: SandboxShop) -> None:
    handle = await shop.start()
    await handle.result()
    await shop.charge_beside_the_books(handle.id)
    kept = await shop.value("SELECT provider_reference FROM payments")
    answer = await shop.sandbox.http.post("/v1/refunds", data={"payment_intent": kept})
    assert answer.status_code == 200
    assert sorted(await shop.found()) == [
        (MismatchKind.CAPTURED_TWICE, False),
        (MismatchKind.CONFIRMED_BUT_REFUNDED, False),
    ]


async def test_two_reconciliations_at_once_repair_once(shop: SandboxShop) -> None:
    await terminate_while_stuck(shop)
    await shop.charge_beside_the_books("chk_unknown")
    first, second = await shop.start_reconcile(), await shop.start_reconcile()
    reports = [await first.result(), await second.result()]
    assert all(report.unrepaired == 0 for report in reports)
    assert len((await shop.sandbox.ledger())["refunds"]) == 1
    assert await shop.found() == []


async def test_reconciliation_retries_a_provider_that_is_unavailable(shop: SandboxShop) -> None:
    await shop.charge_beside_the_books("chk_unknown")
    await shop.sandbox.set_faults(outage=True)
    handle = await shop.start_reconcile()
    await until(handle.describe, _is_retrying)
    await shop.sandbox.recover()
    report = await handle.result()
    assert (report.found, report.repaired) == (1, 1)


def _is_retrying(found: WorkflowExecutionDescription) -> bool:
    return any(one.attempt > 1 for one in found.raw_description.pending_activities)


async def test_an_unrepaired_mismatch_is_in_the_status_search_attribute(shop: SandboxShop) -> None:
    await shop.tamper("UPDATE products SET reserved = 3")
    handle = await shop.start_reconcile()
    assert (await handle.result()).unrepaired == 1
    described = await handle.describe()
    assert described.typed_search_attributes[CHECKOUT_STATUS] == "mismatch"
    assert await handle.query(ReconcileWorkflow.progress) == await handle.result()
    await shop.tamper("UPDATE products SET reserved = 0")


def test_every_repairable_kind_has_one_remedy() -> None:
    for kind in MismatchKind:
        assert not (kind.is_undone and kind.is_orphan_payment)
    assert Mismatch(MismatchKind.NOT_COMPARED, "why").repaired is False
