"""The story from the first step to the last: endings, refusals, cancellations at awkward moments."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from checkout.domain.commands import Cancel
from checkout.domain.errors import OutcomeUnknown, ProviderRefusedCall
from checkout.domain.messages import Line
from checkout.domain.payments import Charge
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason, RefundStatus
from checkout.domain.view import LineView
from tests.support.invariants import violations
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import Shop, open_shop, until_status
from tests.support.stock import Stock
from workflows.checkout import CheckoutWorkflow


async def test_a_checkout_is_confirmed(shop: Shop) -> None:
    view = await shop.buy()
    assert view.status == CheckoutStatus.CONFIRMED
    assert view.reason is None
    assert view.total_minor == 2580
    assert view.lines == (LineView("MUG", 2, "Article MUG", 1290),)
    assert (view.payment.status, view.payment.attempts) == (PaymentStatus.CAPTURED, 1)
    assert view.order_number == await shop.value("SELECT order_number FROM orders WHERE status = 'confirmed'")


async def test_an_order_of_nothing_is_confirmed_without_a_payment(shop: Shop) -> None:
    view = await shop.buy(lines=(Line("FREE", 1),), expected_total_minor=0)
    assert (view.status, view.total_minor) == (CheckoutStatus.CONFIRMED, 0)
    assert (view.payment.status, view.payment.attempts) == (PaymentStatus.NONE, 0)
    assert shop.gateway.charged == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lines": (Line("NONE", 1),)}, Reason.UNKNOWN_SKU),
        ({"lines": (Line("MUG", 8),)}, Reason.OUT_OF_STOCK),
        ({"currency": "USD"}, Reason.CURRENCY_MISMATCH),
        ({"expected_total_minor": 2579}, Reason.PRICE_CHANGED),
    ],
)
async def test_a_refused_checkout_is_rejected(shop: Shop, changes: dict[str, Any], reason: Reason) -> None:
    view = await shop.buy(**changes)
    assert (view.status, view.reason) == (CheckoutStatus.REJECTED, reason)
    assert await shop.row("SELECT status, reason FROM checkouts") == {"status": "rejected", "reason": reason}
    assert shop.gateway.charged == []


async def test_a_cart_is_bought_once(shop: Shop) -> None:
    views = await asyncio.gather(shop.buy(cart_id="cart_1"), shop.buy(cart_id="cart_1"))
    assert sorted(str(view.reason) for view in views) == ["None", "cart_already_ordered"]
    assert len(shop.gateway.charged) == 1


async def test_a_capture_of_the_wrong_amount_is_refunded(shop: Shop) -> None:
    shop.gateway.charge_result = Charge(PaymentStatus.CAPTURED, "pi_1", 1, "EUR")
    view = await shop.buy()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.AMOUNT_MISMATCH)
    assert (view.payment.status, shop.gateway.refunded) == (PaymentStatus.REFUNDED, [1])


async def test_an_undo_is_tried_until_it_lands(patient_shop: Shop) -> None:
    patient_shop.gateway.charge_result = Charge(PaymentStatus.CAPTURED, "pi_1", 1, "EUR")
    patient_shop.gateway.refund_status = RefundStatus.FAILED
    handle = await patient_shop.start()
    result = asyncio.create_task(handle.result())
    await until_status(handle, CheckoutStatus.COMPENSATION_STUCK)
    patient_shop.gateway.refund_status = RefundStatus.SUCCEEDED
    assert (await result).status == CheckoutStatus.CANCELLED


async def test_a_bug_fails_the_workflow_after_everything_is_undone(shop: Shop) -> None:
    shop.gateway.charge_result = ProviderRefusedCall("no such parameter")
    handle = await shop.start()
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "Bug"
    assert await shop.row("SELECT status, reason FROM checkouts") == {"status": "cancelled", "reason": "internal_error"}


@pytest.mark.parametrize("how", ["customer", "operator"])
@pytest.mark.parametrize("outcome", [PaymentStatus.CAPTURED, PaymentStatus.DECLINED, None])
async def test_a_checkout_cancelled_while_charging_leaves_nothing_captured(
    shop: Shop, how: str, outcome: PaymentStatus | None
) -> None:
    shop.gateway.let_go.clear()
    taken = 2580 if outcome == PaymentStatus.CAPTURED else 0
    shop.gateway.charge_result = Charge(outcome, "pi_1", taken, "EUR") if outcome else OutcomeUnknown("cut")
    handle = await shop.start()
    await shop.gateway.arrived.wait()
    if how == "customer":
        cancelled = await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
        assert cancelled.status == CheckoutStatus.COMPENSATING
    else:
        await handle.cancel()
        await until_status(handle, CheckoutStatus.COMPENSATING)
    assert shop.gateway.refunded == []
    shop.gateway.let_go.set()
    view = await handle.result()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, f"cancelled_by_{how}")
    assert shop.gateway.refunded == ([2580] if outcome == PaymentStatus.CAPTURED else [])
    assert len(shop.gateway.charged) == 1


async def test_cancelled_before_its_first_step_a_checkout_is_cancelled(
    temporal_client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    await stock({"MUG": (1290, "EUR", 7)})
    early = Shop(engine, temporal_client, ScriptedGateway())
    handle = await early.start()
    await handle.cancel()
    async with open_shop(temporal_client, engine):
        view = await handle.result()
    assert (view.status, view.reason) == (CheckoutStatus.CANCELLED, Reason.CANCELLED_BY_OPERATOR)
    assert await violations(engine) == []


async def test_a_confirmed_checkout_refuses_to_be_cancelled(shop: Shop) -> None:
    """The order is being confirmed when the customer cancels: it is too late, and the customer is told so."""
    shop.gateway.let_go.clear()
    async with shop.engine.begin() as lock:
        handle = await shop.start()
        await shop.gateway.arrived.wait()
        await lock.execute(text("SELECT FROM products FOR UPDATE"))
        shop.gateway.let_go.set()
        while await shop.value("SELECT status FROM payments") != "captured":
            await asyncio.sleep(0)
        while not await shop.value("SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0)
        update = asyncio.create_task(handle.execute_update(CheckoutWorkflow.cancel, Cancel()))
        await handle.query(CheckoutWorkflow.status)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "NotCancellable"
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_cancelling_twice_is_cancelling_once(shop: Shop) -> None:
    shop.gateway.let_go.clear()
    handle = await shop.start()
    await shop.gateway.arrived.wait()
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel(Reason.CANCELLED_BY_SUPPORT, "desk"))
    await handle.cancel()
    shop.gateway.let_go.set()
    assert (await handle.result()).reason == Reason.CANCELLED_BY_CUSTOMER
    assert shop.gateway.refunded == [2580]


@pytest.mark.parametrize("wrong", [False, True])
async def test_a_checkout_past_retention_is_not_run_again(shop: Shop, wrong: bool) -> None:
    if wrong:
        shop.gateway.charge_result = Charge(PaymentStatus.CAPTURED, "pi_1", 1, "EUR")
    first = await shop.buy(checkout_id="chk_again")
    again = await shop.buy(checkout_id="chk_again", lines=(Line("MUG", 1),))
    assert (again.status, again.reason, again.order_number) == (first.status, first.reason, first.order_number)
    assert (again.lines, again.payment) == (first.lines, first.payment)
    assert len(shop.gateway.charged) == 1


async def test_a_repeated_rejection_still_names_the_requested_lines(shop: Shop) -> None:
    """As after a worker that died between its commit and its report."""
    first = await shop.buy(checkout_id="chk_again", lines=(Line("MUG", 100),))
    again = await shop.buy(checkout_id="chk_again", lines=(Line("MUG", 100),))
    assert (again.status, again.reason, again.lines) == (first.status, Reason.OUT_OF_STOCK, first.lines)
