"""Temporal's own limits of updates: it allows a workflow ten at once, and two thousand for each of its runs.

The SDK's client retries silently for 15 seconds at the first limit; the second looks like a missing permission. So the
first call is made here, once, and each limit has a problem of its own.
"""

import asyncio
from typing import Any, Final

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import ResourceExhaustedCause, UpdateWorkflowExecutionLifecycleStage
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure
from temporalio.api.update.v1 import Input, Meta, Outcome, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionRequest
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from api.http.problems import TOO_MANY_AT_ONCE, UPDATE_LIMIT_REACHED, Problem
from checkout.domain.view import CheckoutView

#: How Temporal begins the sentence for the second limit, which has no code of its own.
_TOTAL_LIMIT: Final = "The limit on the total number of distinct updates in this workflow has been reached"
_COMPLETED: Final = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED


async def send_once(
    client: Client, workflow_id: str, update: str, argument: Any, update_id: str
) -> CheckoutView | None:
    """Send the update once; the view that it returns, or None when there is none yet: then it has to be sent as usual.

    Raises:
        Problem: 429 when too many are in progress; 409 when the run has had all that it may have.
        WorkflowUpdateFailedError: the workflow refuses it.
        WorkflowUpdateRPCTimeoutOrCancelledError: the caller's deadline has passed.
        RPCError: there is no such workflow.
    """
    request = UpdateWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        request=Request(
            meta=Meta(update_id=update_id, identity=client.identity),
            input=Input(name=update, args=Payloads(payloads=await client.data_converter.encode([argument]))),
        ),
        wait_policy=WaitPolicy(lifecycle_stage=_COMPLETED),
    )
    try:
        response = await client.workflow_service.update_workflow_execution(request)
    except RPCError as error:
        if problem := limit_problem(error):
            raise problem from error
        if error.status == RPCStatusCode.NOT_FOUND:
            raise
        return None
    except asyncio.CancelledError as error:
        # As the SDK's own call does: the update may have been accepted.
        raise WorkflowUpdateRPCTimeoutOrCancelledError from error
    return await _view(client, response.outcome) if response.HasField("outcome") else None


async def _view(client: Client, outcome: Outcome) -> CheckoutView:
    if outcome.HasField("failure"):
        raise WorkflowUpdateFailedError(await client.data_converter.decode_failure(outcome.failure))
    [view] = await client.data_converter.decode(outcome.success.payloads, [CheckoutView])
    return view  # type: ignore[no-any-return]


def limit_problem(error: RPCError) -> Problem | None:
    """The problem for a limit of one workflow; None for any other failure of a call."""
    if error.status == RPCStatusCode.RESOURCE_EXHAUSTED and _is_about_concurrency(error):
        return Problem(
            TOO_MANY_AT_ONCE,
            "Too many actions on this checkout are in progress. Send it again when one of them has ended.",
        )
    if error.status == RPCStatusCode.FAILED_PRECONDITION and error.message.startswith(_TOTAL_LIMIT):
        return Problem(
            UPDATE_LIMIT_REACHED,
            "Temporal accepts no further action for this checkout until it continues in a new run. The checkout goes "
            "on by itself; an operator may undo it with Cancel in the Temporal UI.",
        )
    return None


def _is_about_concurrency(error: RPCError) -> bool:
    failure = ResourceExhaustedFailure()
    return any(
        detail.Unpack(failure) and failure.cause == ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT
        for detail in error.grpc_status.details
    )
