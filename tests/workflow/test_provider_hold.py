"""The story of a hold: nobody can be charged for a while, nothing is undone for that, and one asks for all."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from checkout.domain.commands import Cancel
from checkout.domain.errors import AccountCannotCharge, ProviderRefusesKey
from checkout.domain.messages import HoldView, Timeouts
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.temporal.names import HOLD_WORKFLOW_ID
from tests.support.charges import CAPTURED, DECLINED
from tests.support.shop import Handle, Shop, until_status
from workflows.checkout import CheckoutWorkflow


async def held(shop: Shop, count: int = 1) -> list[Handle]:
    """Checkouts that wait because the account cannot charge."""
    shop.gateway.charge_result = AccountCannotCharge("it may not charge at present")
    handles = [await shop.start() for _ in range(count)]
    for handle in handles:
        view = await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
        assert (view.reason, view.payment.status) == (Reason.ACCOUNT_CANNOT_CHARGE, PaymentStatus.UNKNOWN)
    return handles


def hold_of(shop: Shop) -> WorkflowHandle[Any, HoldView]:
    return shop.client.get_workflow_handle(HOLD_WORKFLOW_ID, result_type=HoldView)


async def terminate(shop: Shop) -> None:
    """Press Terminate on the hold, once it is there."""
    while True:
        try:
            return await shop.client.get_workflow_handle(HOLD_WORKFLOW_ID).terminate()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise


async def test_held_checkouts_go_on_when_the_account_can_charge_again(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    handles = await held(shop, 3)
    hold = hold_of(shop)
    assert (await hold.describe()).status == WorkflowExecutionStatus.RUNNING
    shop.gateway.charge_result = CAPTURED
    views = await asyncio.gather(*(handle.result() for handle in handles))
    assert [(view.status, view.reason) for view in views] == [(CheckoutStatus.CONFIRMED, None)] * 3
    ended = await hold.result()
    assert (ended.waiting, ended.told) == (0, 3)
    assert await shop.value("SELECT count(*) FROM provider_hold") == 0
    assert len([record for record in caplog.records if "NO PAYMENT CAN BE TAKEN" in record.message]) == 1


async def test_a_checkout_started_during_a_hold_waits_without_a_charge(shop: Shop) -> None:
    [first] = await held(shop)
    asked = len(shop.gateway.charged)
    [second] = await held(shop)
    # The one that is tried for all may have been, in the meantime; the second has not been.
    assert second.id not in {attempt.checkout_id for attempt in shop.gateway.charged[asked:]}
    shop.gateway.charge_result = CAPTURED
    for handle in (first, second):
        assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_one_odd_payment_does_not_hold_the_others(shop: Shop) -> None:
    [odd] = await held(shop)
    shop.gateway.charge_result = AccountCannotCharge("only this one")
    others = [await shop.start(payment_method="pm_other") for _ in range(2)]
    for handle in others:
        await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    shop.gateway.charge_results_by_checkout = {odd.id: shop.gateway.charge_result}
    shop.gateway.charge_result = CAPTURED
    for handle in others:
        assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    await until_status(odd, CheckoutStatus.PAYMENT_STUCK)
    shop.gateway.charge_results_by_checkout = {}
    assert (await odd.result()).status == CheckoutStatus.CONFIRMED


async def test_a_held_checkout_can_be_cancelled(shop: Shop) -> None:
    [handle] = await held(shop)
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    view = await handle.result()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
    # Nobody waits any more, so the next checkout may find out.
    hold = hold_of(shop)
    assert (await hold.result()).told == 0
    assert await shop.value("SELECT count(*) FROM provider_hold") == 0


async def test_a_decline_shows_that_the_account_can_charge(shop: Shop) -> None:
    [handle] = await held(shop)
    shop.gateway.charge_result = shop.gateway.find_result = DECLINED
    view = await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    assert (view.reason, view.payment.status) == (None, PaymentStatus.DECLINED)
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    await handle.result()


async def test_a_refused_key_says_so_and_a_terminated_hold_is_begun_again(shop: Shop) -> None:
    shop.gateway.charge_result = ProviderRefusesKey("revoked")
    handle = await shop.start(timeouts=Timeouts(payment_stuck_after_seconds=1))
    view = await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    assert view.reason == Reason.PROVIDER_REFUSES_KEY
    await terminate(shop)
    shop.gateway.charge_result = CAPTURED
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
