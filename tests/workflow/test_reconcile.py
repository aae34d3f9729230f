"""The story of reconciliation with books too long for one page, and with servers that do not answer."""

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from checkout.domain.errors import ProviderRefusedCall
from checkout.domain.payments import Charge, LedgerEntry
from checkout.domain.reconcile import MismatchKind, ReconcileReport, ReconcileRequest
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.temporal.names import TASK_QUEUE
from tests.support.shop import Shop, open_shop, until_status
from tests.support.stock import Stock
from workflows.reconcile import STAGES, ReconcileWorkflow


@pytest.fixture
async def shop(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[Shop]:
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        yield shop


async def reconcile(shop: Shop, request: ReconcileRequest | None = None) -> ReconcileReport:
    return await shop.client.execute_workflow(
        ReconcileWorkflow.run,
        request or ReconcileRequest(grace_seconds=0),
        id=f"reconcile-{uuid.uuid4()}",
        task_queue=TASK_QUEUE,
    )


def entry(number: int, created: int) -> LedgerEntry:
    """A payment of an unknown checkout that was given back."""
    return LedgerEntry(f"pi_{number}", f"chk_{number}", 1, PaymentStatus.CAPTURED, 2580, 2580, "EUR", created)


async def test_a_long_ledger_is_read_in_parts_and_each_entry_once(shop: Shop) -> None:
    now = int(time.time())
    # Seven entries a second: a part never ends within a second, so that none is left out or read twice.
    shop.gateway.books = [entry(number, now - number // 7) for number in range(2500)]
    report = await reconcile(shop)
    assert (report.checked["payments at the provider"], report.found) == (2500, 0)


async def test_many_abandoned_checkouts_are_all_undone(shop: Shop) -> None:
    rows = "SELECT 'chk_' || n, 'processing', 'cus_42', 'EUR' FROM generate_series(1, 230) n"
    async with shop.engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO checkouts (checkout_id, status, customer_id, currency) {rows}"))
    report = await reconcile(shop)
    assert (report.found, report.repaired, len(report.mismatches)) == (230, 230, 100)
    assert await shop.value("SELECT count(*) FROM checkouts WHERE status = 'cancelled'") == 230


async def test_a_continued_reconciliation_resumes_where_it_stopped(shop: Shop) -> None:
    so_far = replace(await reconcile(shop), checked={"open checkouts": 5}, found=3, repaired=3)
    shop.gateway.books = [entry(1, int(time.time()) - 10)]
    report = await reconcile(shop, ReconcileRequest(grace_seconds=0, report=so_far, stage=len(STAGES) - 1))
    assert report.checked == {"open checkouts": 5, "payments at the provider": 1}
    assert (report.found, report.repaired) == (3, 3)


async def test_a_comparison_that_fails_is_a_mismatch_and_the_others_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ProviderRefusedCall("the key is not known")

    monkeypatch.setattr(shop.gateway, "ledger", refuse)
    report = await reconcile(shop)
    assert [(one.kind, one.repaired) for one in report.mismatches] == [(MismatchKind.NOT_COMPARED, False)]
    assert "the key is not known" in report.mismatches[0].detail
    assert report.checked["articles"] == 1


async def test_an_undo_that_fails_is_reported_and_delays_no_other(shop: Shop) -> None:
    shop.gateway.charge_result = Charge(
        PaymentStatus.REQUIRES_ACTION, "pi_1", 0, "EUR", next_action_url="https://bank.example"
    )
    shop.gateway.void_result = ProviderRefusedCall("the key is not known")
    handle = await shop.start()
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    await handle.terminate()
    values = "VALUES ('chk_lost', 'processing', 'cus_42', 'EUR')"
    async with shop.engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO checkouts (checkout_id, status, customer_id, currency) {values}"))
    report = await reconcile(shop)
    assert {one.checkout_id: one.repaired for one in report.mismatches} == {handle.id: False, "chk_lost": True}
    assert "the key is not known" in report.mismatches[0].detail
    shop.gateway.void_result = None
    assert (await reconcile(shop)).repaired == 1
