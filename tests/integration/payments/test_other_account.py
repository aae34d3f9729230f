"""A shop whose workers are given the key of another account for a while: nothing is undone, and everything goes on."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from checkout.domain.commands import Cancel
from checkout.domain.states import CheckoutStatus, Reason
from tests.support.invariants import violations
from tests.support.sandbox_server import SandboxServer
from tests.support.sandbox_shop import open_sandbox_shop
from tests.support.shop import until_status
from tests.support.stock import Stock
from workflows.checkout import CheckoutWorkflow

#: A key of another account of the sandbox, and one of the same account's other mode.
OTHER_KEYS = ["sk_test_acctOTHER_1", "sk_live_sandbox"]


@pytest.mark.parametrize("key", OTHER_KEYS)
async def test_open_checkouts_go_on_once_the_right_api_key_is_back(
    temporal_client: Client, engine: AsyncEngine, stock: Stock, sandbox: SandboxServer, key: str
) -> None:
    await stock({"MUG": (1290, "EUR", 40)})
    where = (temporal_client, engine, sandbox)
    async with open_sandbox_shop(*where) as shop:
        sold = [await shop.start() for _ in range(3)]
        await asyncio.gather(*(handle.result() for handle in sold))
        at_bank = await shop.start("pm_card_authenticationRequired")
        given_up = await shop.start("pm_card_authenticationRequired")
        unknown = await shop.start("pm_sandbox_late_capture")
        for handle in (at_bank, given_up):
            await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
        await shop.wait_for("SELECT count(*) FROM payments", lambda count: count == 6)
    async with open_sandbox_shop(*where, api_key=key) as shop:
        new = [await shop.start() for _ in range(3)]
        for handle in new:
            await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
            assert (await handle.query(CheckoutWorkflow.status)).reason == Reason.OTHER_PROVIDER_ACCOUNT
        await given_up.execute_update(CheckoutWorkflow.cancel, Cancel())
        await until_status(unknown, CheckoutStatus.PAYMENT_STUCK)
        assert await shop.value("SELECT count(*) FROM checkouts WHERE status IN ('cancelled', 'rejected')") == 0
    async with open_sandbox_shop(*where) as shop:
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
