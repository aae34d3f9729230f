"""The story of a checkout: hold the stock, write the order, take the money, confirm; or undo all of it."""

import asyncio
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import policies
from workflows.payment import CHARGE_PAYMENT, PaymentStory
from workflows.progress import Progress
from workflows.saga import Refused, Saga, Step

with workflow.unsafe.imports_passed_through():
    from activities.orders import OrderActivities
    from activities.stock import StockActivities
    from checkout.domain.requests import (
        Cancel,
        CheckoutRequest,
        ConfirmOrder,
        CreateOrder,
        PaymentEvent,
        ResolvePayment,
        RetryPayment,
        SubmitPayment,
        Undo,
        reserve_stock,
    )
    from checkout.domain.states import CheckoutStatus, Reason
    from checkout.domain.view import CheckoutView, TimelineEntry

RESERVE_STOCK = Step(StockActivities.reserve_stock, StockActivities.release_stock)
CREATE_ORDER = Step(OrderActivities.create_order, OrderActivities.cancel_order, undo_when_refused=True)
CONFIRM_ORDER = Step(OrderActivities.confirm_order, policy=policies.database_for_good)
STEPS = (RESERVE_STOCK, CREATE_ORDER, CHARGE_PAYMENT, CONFIRM_ORDER)


@workflow.defn(name="CheckoutWorkflow")
class CheckoutWorkflow:
    """One checkout, from the first request to an ending in which stock, order and money agree."""

    @workflow.init
    def __init__(self, request: CheckoutRequest) -> None:
        self._request = request
        self._progress = Progress(request)
        self._saga = Saga(request.patience, STEPS)
        self._payment = PaymentStory(request, self._saga, self._progress)
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
            await self._cancel(self._cancellation)
            await story
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._progress.view

    async def _buy_or_undo(self, buying: asyncio.Task[None]) -> None:
        try:
            await buying
        except Refused as refusal:
            self._progress.refused(refusal.answer)
            await self._undo(refusal.reason, actor="workflow")
        except asyncio.CancelledError:
            self._saga.turn_back()
            await self._payment.desk.file_cancel(self._cancellation)
            await self._undo(self._cancellation.reason, self._cancellation.actor)
        except ActivityError as bug:
            await self._undo(Reason.INTERNAL_ERROR, actor="workflow")
            raise ApplicationError("a step failed for good, and everything was undone", type="Bug") from bug

    async def _buy(self, request: CheckoutRequest) -> None:
        stock = await self._saga.take(RESERVE_STOCK, reserve_stock(request))
        if stock.ended:
            return self._progress.ended_before(stock.ended)
        self._progress.reserved()
        order = await self._saga.take(CREATE_ORDER, CreateOrder(request.checkout_id, request.expected_total_minor))
        self._progress.ordered(order)
        if order.total_minor:
            await self._payment.collect(order.total_minor)
        self._confirming = True  # There is no way back from here: a cancellation comes too late.
        await self._saga.take(CONFIRM_ORDER, ConfirmOrder(request.checkout_id))
        return self._progress.becomes(CheckoutStatus.CONFIRMED)

    async def _undo(self, reason: Reason, actor: str) -> None:
        if self._saga.has_begun:
            self._progress.becomes(CheckoutStatus.COMPENSATING, reason)
        stuck = partial(self._progress.enters, CheckoutStatus.COMPENSATION_STUCK, self._saga)
        for answer in await self._saga.unwind(Undo(self._request.checkout_id, reason, actor), stuck):
            self._progress.undone(answer)
        self._progress.ends(reason)

    async def _cancel(self, command: Cancel) -> None:
        """Stop buying, unless it is too late for that; the second to ask changes nothing."""
        await self._saga.hear_the_rest()
        if self._buying and not self._buying.done() and not self._confirming and self._progress.status.can_be_cancelled:
            self._cancellation = command
            self._progress.becomes(CheckoutStatus.COMPENSATING, command.reason)
            self._saga.stop()
            self._buying.cancel()

    @workflow.query
    def status(self) -> CheckoutView:
        """The checkout as its customer may see it."""
        return self._progress.view

    @workflow.query
    def timeline(self) -> list[TimelineEntry]:
        """Everything that happened, in order, for support."""
        return self._progress.timeline

    @workflow.update
    async def cancel(self, command: Cancel) -> CheckoutView:
        """Undo the checkout; answered once that is certain. Raises ApplicationError of type NotCancellable."""
        await workflow.wait_condition(lambda: self._buying is not None)
        await self._cancel(command)
        await workflow.wait_condition(lambda: not self._progress.status.can_be_cancelled)
        if self._progress.status == CheckoutStatus.CONFIRMED:
            raise ApplicationError("the order is confirmed", type="NotCancellable", non_retryable=True)
        return self._progress.view

    @workflow.update
    def submit_payment(self, command: SubmitPayment) -> CheckoutView:
        """The customer pays in another way. Raises ApplicationError of type NotAwaitingPayment."""
        self._payment.submit(command.payment_method)
        return self._progress.view

    @workflow.update
    async def retry_payment(self, command: RetryPayment) -> CheckoutView:
        """Support tries the stuck payment anew, once its outcome is settled. Raises as `SupportDesk.submit` does."""
        await self._payment.desk.submit(command)
        return self._progress.view

    @workflow.update
    async def resolve_payment(self, command: ResolvePayment) -> CheckoutView:
        """Support says what became of the stuck payment. Raises as `SupportDesk.submit` does."""
        await self._payment.desk.submit(command)
        return self._progress.view

    @workflow.signal
    def payment_event(self, event: PaymentEvent) -> None:
        """The provider has news of the payment: a reason to look, not a fact."""
        if self._progress.note_event(event):
            self._payment.nudge()
