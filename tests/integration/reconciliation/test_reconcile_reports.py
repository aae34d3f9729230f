"""What reconciliation finds and leaves to a person: books that no run of this program leaves behind."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from activities.reconciliation.ledger import verdict
from checkout.domain.payments import IntentRecord, LedgerEntry
from checkout.domain.reconcile import MAX_LISTED, Mismatch, MismatchKind, ReconcileReport
from checkout.domain.states import CheckoutStatus, PaymentStatus
from tests.support.sandbox_server import SandboxServer
from tests.support.sandbox_shop import SandboxShop, open_sandbox_shop
from tests.support.shop import Handle
from tests.support.stock import Stock


@pytest.fixture
async def shop(
    temporal_client: Client, engine: AsyncEngine, stock: Stock, sandbox: SandboxServer
) -> AsyncIterator[SandboxShop]:
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_sandbox_shop(temporal_client, engine, sandbox) as shop:
        yield shop


async def sold(shop: SandboxShop) -> Handle:
    handle = await shop.start()
    await handle.result()
    return handle


async def undone(shop: SandboxShop) -> Handle:
    handle = await shop.start("pm_sandbox_wrong_amount")
    await handle.result()
    return handle


async def test_a_consistent_shop_has_no_mismatch(shop: SandboxShop) -> None:
    await sold(shop)
    await undone(shop)
    report = await shop.reconcile()
    assert report.found == 0
    assert report.checked == {
        "open checkouts": 0,
        "articles": 1,
        "ended checkouts": 2,
        "early events": 0,
        "payments at the provider": 2,
    }


@pytest.mark.parametrize(
    ("tampering", "kinds"),
    [
        ("UPDATE products SET reserved = 1", {"reserved_is_not_what_is_held"}),
        ("UPDATE products SET on_hand = on_hand - 1", {"units_appeared_or_vanished"}),
        ("UPDATE order_lines SET quantity = 3", {"order_is_not_its_lines"}),
        ("UPDATE reservations SET status = 'released'", {"units_appeared_or_vanished", "confirmed_in_part"}),
        ("UPDATE orders SET status = 'pending'", {"confirmed_in_part"}),
        ("UPDATE payments SET captured_minor = 1", {"confirmed_in_part", "captured_another_amount"}),
        ("UPDATE payments SET captured_currency = 'USD'", {"confirmed_in_part", "captured_another_amount"}),
        ("UPDATE payments SET provider_reference = 'pi_x'", {"captured_twice", "confirmed_but_not_captured"}),
        ("UPDATE payments SET status = 'voided'", {"confirmed_in_part", "captured_twice"}),
    ],
)
async def test_a_sale_that_was_tampered_with_is_reported_and_keeps_its_money(
    shop: SandboxShop, tampering: str, kinds: set[str]
) -> None:
    handle = await sold(shop)
    await shop.tamper(tampering)
    report = await shop.reconcile()
    assert {str(one.kind) for one in report.mismatches} == kinds
    assert report.repaired == 0
    assert await shop.held_minor(handle.id) == 2580


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE reservations SET status = 'committed'",
        "UPDATE orders SET status = 'confirmed'",
        "UPDATE payments SET status = 'captured'",
    ],
)
async def test_an_undoing_that_was_tampered_with_is_reported(shop: SandboxShop, tampering: str) -> None:
    await undone(shop)
    await shop.tamper(tampering)
    assert (MismatchKind.UNDONE_IN_PART, False) in await shop.found()


async def test_a_sale_refunded_by_hand_is_reported(shop: SandboxShop) -> None:
    await sold(shop)
    intent = await shop.value("SELECT provider_reference FROM payments")
    await shop.sandbox.http.post("/v1/refunds", data={"payment_intent": intent, "amount": "100"})
    mismatch = await shop.the_one_mismatch()
    assert (mismatch.kind, mismatch.repaired) == (MismatchKind.CONFIRMED_BUT_REFUNDED, False)
    assert "100 minor units" in mismatch.detail


async def test_a_workflow_that_completed_beside_an_open_checkout_is_reported(shop: SandboxShop) -> None:
    handle = await sold(shop)
    await shop.tamper("UPDATE checkouts SET status = 'payment_stuck'")
    mismatch = await shop.the_one_mismatch()
    assert (mismatch.kind, mismatch.checkout_id) == (MismatchKind.COMPLETED_BUT_OPEN, handle.id)


async def test_a_long_ended_checkout_is_not_compared_again(shop: SandboxShop) -> None:
    await sold(shop)
    await shop.tamper("UPDATE checkouts SET updated_at = now() - interval '49 hours'")
    assert (await shop.reconcile()).checked["ended checkouts"] == 0


async def test_an_early_event_is_applied_once_its_checkout_is_known(shop: SandboxShop) -> None:
    handle = await sold(shop)
    await shop.tamper(
        "INSERT INTO payment_events (event_id, type, provider_reference, checkout_id, status, created_at) "
        f"VALUES ('evt_1', 'payment_intent.succeeded', 'pi_1', '{handle.id}', 'unmatched', now()), "
        "('evt_2', 'payment_intent.succeeded', 'pi_2', 'chk_unknown', 'unmatched', now())"
    )
    assert (await shop.reconcile()).checked["early events"] == 1
    assert await shop.value("SELECT event_id FROM payment_events WHERE status = 'unmatched'") == "evt_2"


def test_a_report_lists_what_is_open_first_and_counts_the_rest() -> None:
    repaired = Mismatch(MismatchKind.ABANDONED_CHECKOUT, "gone", "chk_1", repaired=True)
    open_ = Mismatch(MismatchKind.CONFIRMED_IN_PART, "odd", "chk_2")
    report = ReconcileReport("2026-01-01", "2026-01-03")
    for _ in range(MAX_LISTED):
        report = report.with_page("ended checkouts", 10, (repaired, open_))
    assert (report.found, report.repaired, report.unrepaired) == (200, 100, 100)
    assert set(report.mismatches) == {open_}
    assert len(report.mismatches) == MAX_LISTED
    assert report.checked == {"ended checkouts": 1000}


def test_a_refund_that_has_not_arrived_is_followed() -> None:
    """The provider counts a refund under way as given back, so only the refund's own row tells that it is not there."""
    record = IntentRecord(CheckoutStatus.CANCELLED, deployment="", is_recorded=True, refund_is_unfinished=True)
    entry = LedgerEntry("pi_1", "chk_1", 1, PaymentStatus.CAPTURED, 2580, 2580, "EUR", 0)
    found = verdict(entry, record)
    assert found is not None
    assert found.kind == MismatchKind.REFUND_UNFINISHED
