"""`checkout reconcile` and the schedule, as a shell and an operator see them."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, ScheduleActionStartWorkflow, ScheduleOverlapPolicy

from checkout.config.settings import DatabaseSettings, ReconcileSettings, TemporalSettings
from checkout.provisioning.schedule import SCHEDULE_ID, schedule_reconciliation
from checkout.temporal.names import RECONCILE_WORKFLOW
from tests.e2e.commands import checkout
from tests.support.sandbox_server import SandboxServer
from tests.support.sandbox_shop import SandboxShop, open_sandbox_shop
from tests.support.stock import Stock
from tests.support.waiting import until


@pytest.fixture
def where(temporal_settings: TemporalSettings) -> dict[str, str]:
    return {"TEMPORAL_ADDRESS": temporal_settings.address, "TEMPORAL_NAMESPACE": temporal_settings.namespace}


@pytest.fixture
async def shop(
    temporal_client: Client, engine: AsyncEngine, stock: Stock, sandbox: SandboxServer
) -> AsyncIterator[SandboxShop]:
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_sandbox_shop(temporal_client, engine, sandbox) as shop:
        yield shop


async def test_books_that_agree_are_exit_status_0(shop: SandboxShop, where: dict[str, str]) -> None:
    await (await shop.start()).result()
    done = await checkout("reconcile", **where)
    assert done.returncode == 0, done.stderr
    assert "Everything agrees." in done.stdout
    assert "1 ended checkouts" in done.stdout


async def test_a_mismatch_is_exit_status_1_and_a_line_of_the_table(shop: SandboxShop, where: dict[str, str]) -> None:
    await shop.tamper("UPDATE products SET reserved = 3")
    done = await checkout("reconcile", **where)
    assert done.returncode == 1
    assert "MUG" in done.stdout
    assert "OPEN" in done.stdout
    assert "1 found, 0 repaired, 1 open." in done.stdout


async def test_json_is_one_line_that_tells_what_was_repaired(shop: SandboxShop, where: dict[str, str]) -> None:
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    await handle.terminate()
    await shop.tamper("UPDATE checkouts SET updated_at = now() - interval '1 minute'")
    done = await checkout("reconcile", "--json", **where)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert (report["found"], report["repaired"], report["unrepaired"]) == (1, 1, 0)
    assert report["mismatches"][0]["checkout_id"] == handle.id
    assert (await checkout("reconcile", "--json", **where)).returncode == 0


async def test_without_a_worker_it_says_so_and_leaves_nothing_running(
    temporal_client: Client, where: dict[str, str]
) -> None:
    failed = await checkout("reconcile", "--worker-timeout", "1", **where)
    assert failed.returncode == 1
    assert "no worker took it up within 1 s" in failed.stderr

    async def running() -> int:
        return (await temporal_client.count_workflows("ExecutionStatus = 'Running'")).count

    assert await until(running, lambda count: count == 0) == 0


async def test_migrate_twice_leaves_one_schedule(
    temporal_client: Client, database: DatabaseSettings, where: dict[str, str]
) -> None:
    url = database.url.get_secret_value()
    for every in ("300", "120"):
        done = await checkout("migrate", DATABASE_URL=url, RECONCILE_EVERY_SECONDS=every, **where)
        assert done.returncode == 0, done.stderr
        assert f"compares the books every {every} s" in done.stdout
    schedule = (await temporal_client.get_schedule_handle(SCHEDULE_ID).describe()).schedule
    assert schedule.spec.intervals[0].every == timedelta(seconds=120)
    assert schedule.policy.overlap == ScheduleOverlapPolicy.SKIP
    assert isinstance(schedule.action, ScheduleActionStartWorkflow)
    assert schedule.action.workflow == RECONCILE_WORKFLOW


async def test_a_paused_schedule_stays_paused(temporal_client: Client) -> None:
    await schedule_reconciliation(temporal_client, ReconcileSettings())
    await temporal_client.get_schedule_handle(SCHEDULE_ID).pause(note="under repair")
    await schedule_reconciliation(temporal_client, ReconcileSettings())
    state = (await temporal_client.get_schedule_handle(SCHEDULE_ID).describe()).schedule.state
    assert (state.paused, state.note) == (True, "under repair")


async def test_the_schedule_undoes_a_terminated_checkout(shop: SandboxShop) -> None:
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    await handle.terminate()
    await shop.tamper("UPDATE checkouts SET updated_at = now() - interval '1 minute'")
    await schedule_reconciliation(shop.client, ReconcileSettings(every_seconds=1))
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "cancelled")
    assert await shop.value("SELECT reserved FROM products") == 0
    # A schedule outlives its namespace's test, and would go on starting workflows that nobody takes up.
    await shop.client.get_schedule_handle(SCHEDULE_ID).delete()
