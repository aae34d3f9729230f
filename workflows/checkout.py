"""The story of a checkout: hold the stock, write the order, take the money, confirm; or undo all of it."""

import asyncio
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import policies
from workflows.handlers import CheckoutHandlers
from workflows.payment.collection import CHARGE_PAYMENT, PaymentCollection
from workflows.saga import Refused, Saga, Step
from workflows.state.continue_as_new import Continuation
from workflows.state.progress import Progress
from workflows.state.updates import Updates

with workflow.unsafe.imports_passed_through():
    from activities.orders import OrderActivities
    from activities.stock import StockActivities
    from checkout.domain.messages import (
        Cancel,
        CheckoutRequest,
        ConfirmOrder,
        CreateOrder,
        Undo,
        reserve_stock,
    )
    from checkout.domain.states import CheckoutStatus, Reason
    from checkout.domain.view import CheckoutView

RESERVE_STOCK = Step(StockActivities.reserve_stock, StockActivities.release_stock)
CREATE_ORDER = Step(OrderActivities.create_order, OrderActivities.cancel_order, undo_when_refused=True)
CONFIRM_ORDER = Step(OrderActivities.confirm_order, policy=policies.database_for_good)
STEPS = (RESERVE_STOCK, CREATE_ORDER, CHARGE_PAYMENT, CONFIRM_ORDER)


@workflow.defn(name="CheckoutWorkflow")
class CheckoutWorkflow(CheckoutHandlers):
    """One checkout, from the first request to an ending in which stock, order and money agree.

    One that waits for long continues as new before its history is too long (`workflows.state.continue_as_new`).
    """

    @workflow.init
    def __init__(self, request: CheckoutRequest) -> None:
        self._request = request
        self._progress = Progress(request)
        self._saga = Saga(request.timeouts, STEPS, request.resume.begun if request.resume else None)
        self._payment = PaymentCollection(request, self._saga, self._progress)
        self._updates = Updates(request.resume)
        self._succession = Continuation(request, self._saga, self._progress, self._payment, self._updates)
        self._buying: asyncio.Task[None] | None = None
        self._cancellation = Cancel(Reason.CANCELLED_BY_OPERATOR, "operator")
        self._confirming = False

    @workflow.run
    async def run(self, request: CheckoutRequest) -> CheckoutView:
        """Buy, or undo. Every business ending is a result; only a bug fails the workflow, and it undoes first."""
        self._buying = asyncio.create_task(self._buy(request))
        story = asyncio.create_task(self._buy_or_undo(self._buying))
        try:
            await self._succession.until_done(story)
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
        if not request.resume:
            stock = await self._saga.take(RESERVE_STOCK, reserve_stock(request))
            if stock.ended:
                return self._progress.ended_before(stock.ended)
            self._progress.reserved()
            order = await self._saga.take(CREATE_ORDER, CreateOrder(request.checkout_id, request.expected_total_minor))
            self._progress.ordered(order)
        if total_minor := self._progress.view.total_minor:
            await self._payment.collect(total_minor)
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
