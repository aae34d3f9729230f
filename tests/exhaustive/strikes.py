"""What each fault does to the activity that it strikes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflowservice.v1 import PollWorkflowExecutionUpdateRequest
from temporalio.client import WorkflowHandle, WorkflowUpdateStage
from temporalio.service import RPCError, RPCStatusCode

from checkout.domain.errors import InvariantBroken
from checkout.domain.requests import Cancel
from checkout.domain.states import CheckoutStatus
from checkout.temporal import CHECKOUT_STATUS
from tests.exhaustive.cases import Fault
from tests.exhaustive.trial import PlannedFailure, Run
from workflows.checkout import CheckoutWorkflow

Execute = Callable[[], Awaitable[Any]]

_STUCK = (CheckoutStatus.PAYMENT_STUCK, CheckoutStatus.COMPENSATION_STUCK)
#: How often something fails that is tried without end while nobody is told of it.
_FAILURES = 4
#: The id of the update.
_CANCEL = "cancel"


_LASTING = (Fault.KEEPS_FAILING, Fault.IS_A_BUG)


async def strike(run: Run) -> None:
    """Strike, if this is the place; the first run of the activity alone, unless the fault lasts."""
    if is_due(run) and run.plan and run.plan.fault in STRIKES and run.plan.place == run.touched:
        run.trial.struck.add(run.activity)
        await STRIKES[run.plan.fault](run)


async def strike_at_the_end(run: Run) -> None:
    """The same after the last touch; also what was meant for a place that this run did not come to."""
    if is_due(run) and run.plan:
        run.touched = max(run.touched, run.plan.place)
    await strike(run)


def is_due(run: Run) -> bool:
    """Whether the plan has still to be carried out."""
    return run.plan is not None and (run.plan.fault in _LASTING or run.activity not in run.trial.struck)


def fail_the_local_try(run: Run) -> None:
    """Have the server run the activity, where the fault is to strike it there.

    Raises:
        PlannedFailure: this is a try within the workflow task, and such a one is to fail.
    """
    if run.is_local and run.plan and run.plan.fails_locally:
        raise PlannedFailure("the try within the workflow task")


async def run_twice(run: Run, execute: Execute) -> Any:
    """Run the whole activity again with the same request, which has to answer the same."""
    run.trial.struck.add(run.activity)
    first = await execute()
    return _the_same(run, [first, await execute()])


async def run_twice_at_once(run: Run, execute: Execute) -> Any:
    """The same by two workers at one time. Either may have to give way to the other, and be tried again."""
    run.trial.struck.add(run.activity)
    answers = await asyncio.gather(execute(), execute(), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return _the_same(run, answers)


def _the_same(run: Run, answers: Sequence[Any]) -> Any:
    if _gist(answers[0]) != _gist(answers[1]):
        run.trial.complaints.append(f"{run.activity} answers first {answers[0]}, and then {answers[1]}")
    return answers[0]


def _gist(answer: Any) -> Any:
    """What the story goes by: of a refusal the reason alone."""
    return getattr(answer, "refusal", None) or answer


async def _fail(run: Run) -> None:
    raise PlannedFailure(f"struck at place {run.touched}")


async def _be_a_bug(run: Run) -> None:
    raise InvariantBroken(f"struck at place {run.touched}")


async def _keep_failing(run: Run) -> None:
    """Until support is told, where that is what happens; else for a few tries."""
    described = await run.trial.handle.describe()
    is_told = described.typed_search_attributes.get(CHECKOUT_STATUS) in _STUCK
    if not is_told and (_is_bounded(run) or sum(one.activity == run.activity for one in run.trial.runs) <= _FAILURES):
        raise PlannedFailure(f"struck at place {run.touched}")


def _is_bounded(run: Run) -> bool:
    """Whether support is told when this goes on failing: of every undo, and of a do that has a budget."""
    case = run.trial.case
    if any(one.is_undo for one in case.strikes):
        return True
    return case.step.policy(run.trial.request.patience).schedule_to_close is not None


async def _let_the_customer_cancel(run: Run) -> None:
    """Cancel, and see that the workflow has heard of it; while a local activity runs, that the server has."""
    heard = run.trial.act(_customers_cancel(run))
    if run.is_local:
        await _known_to_the_server(run, heard)
    else:
        await asyncio.shield(heard)


async def _customers_cancel(run: Run) -> None:
    if activity.info().workflow_type != "CheckoutWorkflow":
        return await _operators_cancel()
    # Its answer is not waited for: once it is too late to cancel, that comes with the confirmation.
    stage = WorkflowUpdateStage.ACCEPTED
    try:
        cancel = run.trial.handle.start_update(CheckoutWorkflow.cancel, Cancel(), id=_CANCEL, wait_for_stage=stage)
        run.trial.cancel = await cancel
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:  # The workflow closed without having heard of it.
            raise
    return None


async def _known_to_the_server(run: Run, heard: "asyncio.Task[None]") -> None:
    client = activity.client()
    reference = UpdateRef(workflow_execution=WorkflowExecution(workflow_id=run.trial.id), update_id=_CANCEL)
    request = PollWorkflowExecutionUpdateRequest(namespace=client.namespace, update_ref=reference)
    while not heard.done():
        try:
            await client.workflow_service.poll_workflow_execution_update(request)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            await asyncio.sleep(0)
        else:
            return


async def _let_an_operator_cancel(run: Run) -> None:
    await asyncio.shield(run.trial.act(_operators_cancel()))


async def _operators_cancel() -> None:
    """Press Cancel in the UI on whatever workflow runs this activity, and see that it has noticed."""
    await _workflow().cancel()
    if not activity.info().is_local:  # The workflow notices nothing before the end of a local activity.
        await _workflow().query("__temporal_workflow_metadata")


async def _terminate(run: Run) -> None:
    await asyncio.shield(run.trial.act(_workflow().terminate("a test")))


async def _lose_the_task(run: Run) -> None:
    run.trial.loses_task_with = run.activity


async def _let_the_customer_cancel_as_it_is_lost(run: Run) -> None:
    await _let_the_customer_cancel(run)
    await _lose_the_task(run)


async def _let_an_operator_cancel_as_it_is_lost(run: Run) -> None:
    await _let_an_operator_cancel(run)
    await _lose_the_task(run)


async def _come_after_the_undo(run: Run) -> None:
    run.trial.act(_customers_cancel(run))
    await run.trial.freeze(run)


async def _come_after_the_second_try(run: Run) -> None:
    await run.trial.freeze(run)


async def _terminate_and_come_late(run: Run) -> None:
    run.trial.act(_workflow().terminate("a test"))
    await run.trial.freeze(run)


def _workflow() -> WorkflowHandle[Any, Any]:
    """The workflow that runs this activity: the checkout's, or the reconciliation's."""
    return activity.client().get_workflow_handle(activity.info().workflow_id or "")


#: Those that strike between two touches.
STRIKES: dict[Fault, Callable[[Run], Awaitable[None]]] = {
    Fault.FAILS_BEFORE: _fail,
    Fault.FAILS_AFTER: _fail,
    Fault.KEEPS_FAILING: _keep_failing,
    Fault.IS_A_BUG: _be_a_bug,
    Fault.AFTER_ITS_UNDO: _come_after_the_undo,
    Fault.AFTER_ITS_SECOND_TRY: _come_after_the_second_try,
    Fault.CUSTOMER_CANCELS: _let_the_customer_cancel,
    Fault.OPERATOR_CANCELS: _let_an_operator_cancel,
    Fault.LOSES_ITS_TASK: _lose_the_task,
    Fault.CUSTOMER_CANCELS_AS_IT_IS_LOST: _let_the_customer_cancel_as_it_is_lost,
    Fault.OPERATOR_CANCELS_AS_IT_IS_LOST: _let_an_operator_cancel_as_it_is_lost,
    Fault.TERMINATED: _terminate,
    Fault.TERMINATED_AND_LATE: _terminate_and_come_late,
}
#: Those that run the whole activity more than once.
REPEATS: dict[Fault, Callable[[Run, Execute], Awaitable[Any]]] = {
    Fault.RUNS_TWICE: run_twice,
    Fault.RUNS_TWICE_AT_ONCE: run_twice_at_once,
}
