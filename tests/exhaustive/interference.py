"""What is done to a workflow while one of its activities is in its middle: cancel, terminate, lose its task."""

import asyncio
from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflowservice.v1 import PollWorkflowExecutionUpdateRequest
from temporalio.client import WorkflowHandle, WorkflowUpdateStage
from temporalio.service import RPCError, RPCStatusCode

from checkout.domain.commands import Cancel
from tests.exhaustive.activity_run import ActivityRun
from workflows.checkout import CheckoutWorkflow

#: The id of the customer's update.
_CANCEL = "cancel"


async def let_the_customer_cancel(run: ActivityRun) -> None:
    """Cancel, and see that the workflow has heard of it; while a local activity runs, that the server has."""
    heard = run.case_run.act(customers_cancel(run))
    if run.is_local:
        await _known_to_the_server(run, heard)
    else:
        await asyncio.shield(heard)


async def customers_cancel(run: ActivityRun) -> None:
    """Have the customer cancel; whoever runs reconciliation has no customer, and an operator does it."""
    if activity.info().workflow_type != "CheckoutWorkflow":
        return await operators_cancel()
    # Its result is not waited for: once it is too late to cancel, that comes with the confirmation.
    stage = WorkflowUpdateStage.ACCEPTED
    try:
        cancel = run.case_run.handle.start_update(CheckoutWorkflow.cancel, Cancel(), id=_CANCEL, wait_for_stage=stage)
        run.case_run.cancel = await cancel
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:  # The workflow closed without having heard of it.
            raise
    return None


async def _known_to_the_server(run: ActivityRun, heard: "asyncio.Task[None]") -> None:
    client = activity.client()
    reference = UpdateRef(workflow_execution=WorkflowExecution(workflow_id=run.case_run.id), update_id=_CANCEL)
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


async def let_an_operator_cancel(run: ActivityRun) -> None:
    """Press Cancel, and go on when the workflow has noticed, or until this try is cut off."""
    await asyncio.shield(run.case_run.act(operators_cancel()))


async def operators_cancel() -> None:
    """Press Cancel in the UI on whatever workflow runs this activity, and see that it has noticed."""
    await workflow().cancel()
    if not activity.info().is_local:  # The workflow notices nothing before the end of a local activity.
        await workflow().query("__temporal_workflow_metadata")


async def terminate(run: ActivityRun) -> None:
    """Press Terminate, and go on."""
    await asyncio.shield(run.case_run.act(workflow().terminate("a test")))


async def lose_the_task(run: ActivityRun) -> None:
    """Have the workflow task lost when this local activity has ended."""
    run.case_run.loses_task_with = run.activity


async def let_the_customer_cancel_as_it_is_lost(run: ActivityRun) -> None:
    """The task is lost, and the next one brings the cancel."""
    await let_the_customer_cancel(run)
    await lose_the_task(run)


async def let_an_operator_cancel_as_it_is_lost(run: ActivityRun) -> None:
    """The same with Cancel in the UI."""
    await let_an_operator_cancel(run)
    await lose_the_task(run)


def workflow() -> WorkflowHandle[Any, Any]:
    """The workflow that runs this activity: the checkout's, or the reconciliation's."""
    return activity.client().get_workflow_handle(activity.info().workflow_id or "")
