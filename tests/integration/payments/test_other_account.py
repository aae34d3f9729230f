"""A shop whose workers are given the key of another account for a while: nothing is undone, and everything goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from checkout.config.settings import WorkerSettings
from checkout.db.session import Database
from checkout.domain.commands import Cancel
from checkout.domain.states import CheckoutStatus, Reason
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.invariants import violations
from tests.support.reconciled_shop import Handle, Shop
from tests.support.sandbox_server import SandboxServer
from tests.support.stock import Stock
from tests.support.waiting import until
from worker import build_worker
from workflows.checkout import CheckoutWorkflow

#: A key of another account of the sandbox, and one of the same account's other mode.
OTHER_KEYS = ["sk_test_acctOTHER_1", "sk_live_sandbox"]


@asynccontextmanager
async def open_with(
    key: str | None, client: Client, engine: AsyncEngine, sandbox: SandboxServer
) -> AsyncIterator[Shop]:
    """The shop with a worker that has this key, or the right one."""
    settings = sandbox.payment_settings(timeout_seconds=2)
    if key:
        settings = settings.model_copy(update={"stripe_api_key": SecretStr(key)})
    gateway = StripeGateway(settings)
    async with build_worker(client, Database(engine), gateway, WorkerSettings()):
        yield Shop(client, engine, sandbox, gateway)
    await gateway.close()


async def at(handle: Handle, status: CheckoutStatus) -> None:
    await until(lambda: handle.query(CheckoutWorkflow.status), lambda view: view.status == status)


@pytest.mark.parametrize("key", OTHER_KEYS)
async def test_whatever_is_under_way_goes_on_once_the_right_key_is_back(
    temporal_client: Client, engine: AsyncEngine, stock: Stock, sandbox: SandboxServer, key: str
) -> None:
    await stock({"MUG": (1290, "EUR", 40)})
    shop_with = (temporal_client, engine, sandbox)
    async with open_with(None, *shop_with) as shop:
        sold = [await shop.start() for _ in range(3)]
        await asyncio.gather(*(handle.result() for handle in sold))
        at_bank = await shop.start("pm_card_authenticationRequired")
        given_up = await shop.start("pm_card_authenticationRequired")
        unknown = await shop.start("pm_sandbox_late_capture")
        for handle in (at_bank, given_up):
            await at(handle, CheckoutStatus.AWAITING_PAYMENT)
        await shop.wait_for("SELECT count(*) FROM payments", lambda count: count == 6)
    async with open_with(key, *shop_with) as shop:
        new = [await shop.start() for _ in range(3)]
        for handle in new:
            await at(handle, CheckoutStatus.PAYMENT_STUCK)
            assert (await handle.query(CheckoutWorkflow.status)).reason == Reason.OTHER_PROVIDER_ACCOUNT
        await given_up.execute_update(CheckoutWorkflow.cancel, Cancel())
        await at(unknown, CheckoutStatus.PAYMENT_STUCK)
        assert await shop.value("SELECT count(*) FROM checkouts WHERE status IN ('cancelled', 'rejected')") == 0
    async with open_with(None, *shop_with) as shop:
        reference = await shop.value("SELECT provider_reference FROM payments WHERE checkout_id = :id", id=at_bank.id)
        await sandbox.http.post(f"/sandbox/authenticate/{reference}/approve")
        async with asyncio.timeout(60):
            endings = [await handle.result() for handle in (*new, at_bank, unknown, given_up)]
        assert [view.status for view in endings[:5]] == [CheckoutStatus.CONFIRMED] * 5
        assert (endings[5].status, endings[5].reason) == (CheckoutStatus.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
        for handle in (*sold, *new, at_bank, unknown):
            assert await shop.held_minor(handle.id) == 2580
        assert await shop.held_minor(given_up.id) == 0
    # Nothing was ever asked for in the other account.
    mine = {handle.id for handle in (*sold, *new, at_bank, unknown, given_up)}
    intents = [one for one in (await sandbox.ledger())["intents"] if one["metadata"].get("checkout_id") in mine]
    assert len({one["metadata"]["checkout_id"] for one in intents}) == len(intents) == len(mine)
    assert await violations(engine) == []
