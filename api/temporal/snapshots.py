"""A checkout as it is now: from its worker, from its result, or from what Temporal alone knows."""

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeAlias

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from api.http.idempotency import is_checkout_id
from api.http.problems import CHECKOUT_FAILED, UNKNOWN_CHECKOUT, Problem
from api.temporal.calls import CALL_SECONDS, is_unknown_workflow
from checkout.domain.messages import CheckoutRequest
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.domain.view import CheckoutView, view_at_start
from checkout.temporal.names import CHECKOUT_STATUS, ORDER_NUMBER, PAYMENT_STATUS
from workflows.checkout import CheckoutWorkflow

#: How long a worker may take to respond before the client gets what Temporal alone knows.
QUERY_SECONDS: Final = 2.0

CheckoutHandle: TypeAlias = WorkflowHandle[CheckoutWorkflow, CheckoutView]
_log = logging.getLogger("checkout.api")

#: The status of a query when no worker takes it, or none can replay the workflow.
NO_WORKER = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.CANCELLED})


@dataclass(frozen=True)
class Snapshot:
    """A view; ``is_stale``: it was put together from what Temporal knows, because no worker responded."""

    view: CheckoutView
    is_stale: bool = False


async def take_snapshot(handle: CheckoutHandle, description: WorkflowExecutionDescription) -> Snapshot:
    """The checkout as it is now. ``description`` is a fresh one of the same workflow.

    Raises:
        Problem: 500 when the workflow has failed.
        RPCError: Temporal cannot be reached.
    """
    if description.status != WorkflowExecutionStatus.RUNNING:
        return Snapshot(await final_view(handle))
    return await last_known(handle, description)


async def describe_checkout(client: Client, checkout_id: str) -> WorkflowExecutionDescription:
    """Temporal's description of the checkout's workflow.

    Raises:
        Problem: 404 when there is none of this id.
        RPCError: Temporal cannot be reached.
    """
    unknown = Problem(UNKNOWN_CHECKOUT, "There is no checkout with this id.")
    if not is_checkout_id(checkout_id):
        raise unknown
    try:
        return await handle_of(client, checkout_id).describe(rpc_timeout=timedelta(seconds=CALL_SECONDS))
    except RPCError as error:
        if is_unknown_workflow(error):
            raise unknown from error
        raise


def handle_of(client: Client, checkout_id: str) -> CheckoutHandle:
    """The workflow of the checkout."""
    return client.get_workflow_handle_for(CheckoutWorkflow.run, checkout_id)


async def last_known(handle: CheckoutHandle, description: WorkflowExecutionDescription) -> Snapshot:
    """What a worker responds, whether the workflow is closed or not; else what Temporal knows.

    Raises:
        RPCError: Temporal cannot be reached.
    """
    try:
        query_timeout = timedelta(seconds=QUERY_SECONDS)
        # The SDK's timeout is for one try, and the SDK makes another when Temporal itself times out a moment earlier.
        async with asyncio.timeout(QUERY_SECONDS):
            return Snapshot(await handle.query(CheckoutWorkflow.status, rpc_timeout=query_timeout))
    except TimeoutError:
        pass
    except WorkflowQueryFailedError as error:
        _log.error("the query of %s failed, which is a bug: %s", handle.id, error.message)
    except RPCError as error:
        if error.status not in NO_WORKER:
            raise
    return Snapshot(await _stale_view(handle, description), is_stale=True)


async def final_view(handle: CheckoutHandle) -> CheckoutView:
    """The result of the workflow; waits until it has one. Needs no worker.

    Raises:
        Problem: 500 when it closed without a result.
    """
    try:
        return await handle.result()
    except WorkflowFailureError as error:
        raise Problem(
            CHECKOUT_FAILED,
            "The workflow of this checkout has failed. Support has to check the stock, the order and the payment.",
            members={"checkout_id": handle.id},
        ) from error


def known_status(description: WorkflowExecutionDescription) -> CheckoutStatus:
    """The last status that the workflow published as a search attribute."""
    return CheckoutStatus(description.typed_search_attributes.get(CHECKOUT_STATUS, CheckoutStatus.PROCESSING))


async def _stale_view(handle: CheckoutHandle, description: WorkflowExecutionDescription) -> CheckoutView:
    published = description.typed_search_attributes
    request = await _input_of(handle, description)
    view = request.resume.view if request.resume else view_at_start(request)
    payment_status = PaymentStatus(published.get(PAYMENT_STATUS, PaymentStatus.NONE))
    return replace(
        view,
        status=known_status(description),
        order_number=published.get(ORDER_NUMBER),
        payment=replace(view.payment, status=payment_status),
    )


async def _input_of(handle: CheckoutHandle, description: WorkflowExecutionDescription) -> CheckoutRequest:
    events = handle.fetch_history_events(page_size=1, rpc_timeout=timedelta(seconds=CALL_SECONDS))
    started = (await anext(events)).workflow_execution_started_event_attributes
    (request,) = await description.data_converter.decode(started.input.payloads, [CheckoutRequest])
    assert isinstance(request, CheckoutRequest)  # noqa: S101 - tells the type checker what the hint above asked for
    return request
