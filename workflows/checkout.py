"""A checkout: reserve the stock, create the order, charge the payment, confirm the order; or undo all of it."""

import asyncio
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import policies
from workflows.activity_runner import ActivityRunner
from workflows.handlers import CheckoutHandlers
from workflows.payment.collection import PaymentCollection
from workflows.saga import Saga, Step, StepRefused
from workflows.state.audit_trail import AuditTrail
from workflows.state.cancellation import Cancellation, Cancelled
from workflows.state.continue_as_new import Continuation
from workflows.state.progress import Progress
from workflows.state.updates import Updates

with workflow.unsafe.imports_passed_through():
    from activities.orders import OrderActivities
    from activities.payments.charge import PaymentActivities
    from activities.stock import StockActivities
    from checkout.domain.commands import CANCEL_BY_OPERATOR
    from checkout.domain.messages import CheckoutRequest, ConfirmOrder, CreateOrder, ReserveStock, Undo
    from checkout.domain.states import CheckoutStatus, Reason
    from checkout.domain.view import CheckoutView
    from checkout.temporal.names import CHECKOUT_WORKFLOW

# Each step beside its undo, in the order in which they are run. The last one is the pivot: nothing undoes it.
RESERVE_STOCK = Step(StockActivities.reserve_stock, StockActivities.release_stock)
CREATE_ORDER = Step(OrderActivities.create_order, OrderActivities.cancel_order, undo_when_refused=True)
CHARGE_PAYMENT = Step(
    PaymentActivities.charge_payment,
    PaymentActivities.refund_payment,
    policy=policies.provider,
    undo_policy=policies.provider_undo,
    undo_when_refused=True,
)
CONFIRM_ORDER = Step(OrderActivities.confirm_order, policy=policies.database_pivot)
STEPS = (RESERVE_STOCK, CREATE_ORDER, CHARGE_PAYMENT, CONFIRM_ORDER)


@workflow.defn(name=CHECKOUT_WORKFLOW)
class CheckoutWorkflow(CheckoutHandlers):
    """One checkout, from the request to an ending in which stock, order and money agree.

    One that waits for long continues as new before its history is too long (`workflows.state.continue_as_new`).
    """

    @workflow.init
    def __init__(self, request: CheckoutRequest) -> None:
        self._request = request
        self._runner = ActivityRunner(request.timeouts)
        self._saga = Saga(self._runner, STEPS, request.resume.begun if request.resume else None)
        self._progress = Progress(request)
        self._audit_trail = AuditTrail(self._runner, self._progress)
        self._cancellation = Cancellation(self._runner, self._progress)
        self._payment = PaymentCollection(request, self._saga, self._runner, self._progress, self._audit_trail)
        self._updates = Updates(request.resume)
        self._continuation = Continuation(request, self._saga, self._progress, self._payment, self._updates)

    @workflow.run
    async def run(self, request: CheckoutRequest) -> CheckoutView:
        """Buy, or undo. Every business ending is a result; only a bug fails the workflow, and it undoes first."""
        ending = asyncio.create_task(self._buy_or_undo(request))
        try:
            await self._continuation.until_done(ending)
        except asyncio.CancelledError:  # *Cancel* in the Temporal UI
            await self._cancellation.request(CANCEL_BY_OPERATOR)
            await ending
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._progress.view

    async def _buy_or_undo(self, request: CheckoutRequest) -> None:
        try:
            await self._cancellation.run(self._buy(request))
        except StepRefused as refused:
            self._progress.refused(refused.result)
            await self._undo(refused.reason, actor="workflow")
        except Cancelled as cancelled:
            self._runner.resume()
            await self._audit_trail.cancelled(cancelled.command)
            await self._undo(cancelled.command.reason, cancelled.command.actor)
        except ActivityError as bug:
            await self._undo(Reason.INTERNAL_ERROR, actor="workflow")
            raise ApplicationError("a step failed and no retry can help; everything was undone", type="Bug") from bug

    async def _buy(self, request: CheckoutRequest) -> None:
        if not request.resume:
            stock = await self._saga.run_step(RESERVE_STOCK, ReserveStock.of(request))
            if stock.ended:
                return self._progress.ended_before(stock.ended)
            self._progress.reserved()
            order = CreateOrder(request.checkout_id, request.expected_total_minor)
            self._progress.ordered(await self._saga.run_step(CREATE_ORDER, order))
        if total_minor := self._progress.view.total_minor:
            await self._payment.collect(CHARGE_PAYMENT, total_minor)
        self._cancellation.pass_pivot()
        await self._saga.run_step(CONFIRM_ORDER, ConfirmOrder(request.checkout_id))
        return self._progress.becomes(CheckoutStatus.CONFIRMED)

    async def _undo(self, reason: Reason, actor: str) -> None:
        if self._saga.has_begun:
            self._progress.becomes(CheckoutStatus.COMPENSATING, reason)
        when_stuck = partial(self._audit_trail.waits, CheckoutStatus.COMPENSATION_STUCK)
        for result in await self._saga.compensate(Undo(self._request.checkout_id, reason, actor), when_stuck):
            self._progress.undone(result)
        self._progress.ends(reason)
