"""The story of a checkout: hold the stock, write the order, take the money, confirm; or undo all of it."""

import asyncio
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, RetryState

from workflows import policies
from workflows.progress import Progress
from workflows.saga import Refused, Saga, Step

with workflow.unsafe.imports_passed_through():
    from activities.orders import OrderActivities
    from activities.payments import PaymentActivities
    from activities.stock import StockActivities
    from checkout.domain.money import Money
    from checkout.domain.requests import (
        Cancel,
        ChargePayment,
        CheckoutRequest,
        ConfirmOrder,
        CreateOrder,
        PaymentAnswer,
        Undo,
        reserve_stock,
    )
    from checkout.domain.states import CheckoutStatus, Reason
    from checkout.domain.view import CheckoutView

RESERVE_STOCK = Step(StockActivities.reserve_stock, StockActivities.release_stock)
CREATE_ORDER = Step(OrderActivities.create_order, OrderActivities.cancel_order)
CHARGE_PAYMENT = Step(
    PaymentActivities.charge_payment,
    PaymentActivities.refund_payment,
    policy=policies.provider,
    undo_policy=policies.provider_undo,
    undo_when_refused=True,
)
CONFIRM_ORDER = Step(OrderActivities.confirm_order)


@workflow.defn(name="CheckoutWorkflow")
class CheckoutWorkflow:
    """One checkout, from the first request to an ending in which stock, order and money agree."""

    @workflow.init
    def __init__(self, request: CheckoutRequest) -> None:
        self._request = request
        self._progress = Progress(request)
        self._saga = Saga(request.patience)
        self._buying: asyncio.Task[None] | None = None
        self._cancellation = Cancel(Reason.CANCELLED_BY_OPERATOR, "operator")
        self._confirming = False

    @workflow.run
    async def run(self, request: CheckoutRequest) -> CheckoutView:
        """Buy, or undo. Every business ending is a result; only a bug fails the workflow, and it undoes first."""
        self._buying = asyncio.create_task(self._buy(request))
        story = asyncio.create_task(self._buy_or_undo(self._buying))
        try:
            await asyncio.shield(story)
        except asyncio.CancelledError:  # Somebody pressed Cancel in the UI.
            self._cancel(self._cancellation)
            await story
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._progress.view

    async def _buy_or_undo(self, buying: asyncio.Task[None]) -> None:
        try:
            await buying
        except Refused as refusal:
            await self._undo(refusal.reason, actor="workflow")
        except asyncio.CancelledError:
            await self._undo(self._cancellation.reason, self._cancellation.actor)
        except ActivityError as bug:
            await self._undo(Reason.INTERNAL_ERROR, actor="workflow")
            raise ApplicationError("a step failed for good, and everything was undone", type="Bug") from bug

    async def _buy(self, request: CheckoutRequest) -> None:
        stock = await self._saga.take(RESERVE_STOCK, reserve_stock(request))
        if stock.ended:
            return self._progress.ended_before(stock.ended)

        order = await self._saga.take(CREATE_ORDER, CreateOrder(request.checkout_id, request.expected_total_minor))
        self._progress.ordered(order)

        if order.total_minor:
            await self._pay(request, order.total_minor)

        self._confirming = True  # There is no way back from here: a cancellation comes too late.
        await self._saga.take(CONFIRM_ORDER, ConfirmOrder(request.checkout_id))
        return self._progress.becomes(CheckoutStatus.CONFIRMED)

    async def _pay(self, request: CheckoutRequest, total_minor: int) -> None:
        charge = ChargePayment(request.checkout_id, 1, request.payment_method, total_minor, request.currency)
        self._progress.paying(charge.attempt)
        try:
            answer = await self._take_payment(charge)
        except Refused as refusal:
            self._progress.paid(refusal.answer)
            raise
        self._progress.paid(answer)

    async def _take_payment(self, charge: ChargePayment) -> PaymentAnswer:
        summary = f"{Money(charge.amount_minor, charge.currency)} by {charge.payment_method}, try {charge.attempt}"
        try:
            return await self._saga.take(CHARGE_PAYMENT, charge, summary=summary)
        except ActivityError as error:
            if error.retry_state == RetryState.NON_RETRYABLE_FAILURE:
                raise
        self._progress.stuck()
        return await self._saga.take(CHARGE_PAYMENT, charge, policies.stuck_provider, summary)

    async def _undo(self, reason: Reason, actor: str) -> None:
        if self._saga.has_begun:
            self._progress.becomes(CheckoutStatus.COMPENSATING, reason)
        stuck = partial(self._progress.becomes, CheckoutStatus.COMPENSATION_STUCK, reason)
        for answer in await self._saga.unwind(Undo(self._request.checkout_id, reason, actor), stuck):
            self._progress.undone(answer)
        self._progress.becomes(reason.ending, reason)

    def _cancel(self, command: Cancel) -> None:
        """Stop buying, unless it is too late for that; the second to ask changes nothing."""
        if self._buying and not self._buying.done() and not self._confirming and self._progress.status.can_be_cancelled:
            self._cancellation = command
            self._progress.becomes(CheckoutStatus.COMPENSATING, command.reason)
            self._buying.cancel()

    @workflow.query
    def status(self) -> CheckoutView:
        """The checkout as its customer may see it."""
        return self._progress.view

    @workflow.update
    async def cancel(self, command: Cancel) -> CheckoutView:
        """Undo the checkout; answered once that is certain to happen.

        Raises:
            ApplicationError: of type NotCancellable, when the order is confirmed.
        """
        await workflow.wait_condition(lambda: self._buying is not None)
        self._cancel(command)
        await workflow.wait_condition(lambda: not self._progress.status.can_be_cancelled)
        if self._progress.status == CheckoutStatus.CONFIRMED:
            raise ApplicationError("the order is confirmed", type="NotCancellable", non_retryable=True)
        return self._progress.view
