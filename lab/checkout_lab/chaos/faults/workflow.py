"""What an operator or a stranger may do to workflows: cancel, terminate, and speak nonsense to them."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio.client import (
    RPCError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCStatusCode

from checkout.temporal.names import CHECKOUT_WORKFLOW, PAYMENT_EVENT_SIGNAL, TASK_QUEUE
from checkout_lab.chaos.faults.base import Fault, ForbiddenResponse, Shoppers
from checkout_lab.chaos.system.system import System

#: The one is drawn from so many checkouts.
_AMONG = 20
_UPDATE_TIMEOUT = timedelta(seconds=5)
_NONSENSE = {"checkout_id": 7, "lines": "none", "timeouts": []}
#: What Temporal says of a workflow that has ended meanwhile.
_ENDED = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)


async def cancel(system: System, shoppers: Shoppers, rng: random.Random, _: float) -> None:
    """Press Cancel in Temporal's UI for a checkout that is under way."""
    await system.up("temporal")
    async with _victim(system, shoppers, rng) as handle:
        await handle.cancel()


async def terminate(system: System, shoppers: Shoppers, rng: random.Random, _: float) -> None:
    """Press Terminate: the workflow ends in mid-step, and nothing of it is undone by itself."""
    await system.up("temporal")
    async with _victim(system, shoppers, rng) as handle:
        await handle.terminate("a fault of the campaign")


async def poison(system: System, shoppers: Shoppers, rng: random.Random, seconds: float) -> None:
    """Start a checkout on an input that is none, and send a running one a signal and an update that are none."""
    await system.up("temporal")
    name = f"poisoned-{rng.getrandbits(64):x}"
    poisoned = await system.client.start_workflow(CHECKOUT_WORKFLOW, _NONSENSE, id=name, task_queue=TASK_QUEUE)
    try:
        async with _victim(system, shoppers, rng) as handle:
            await handle.signal(PAYMENT_EVENT_SIGNAL, "nonsense")
            await _update_with_nonsense(handle)
        await asyncio.sleep(seconds)
    finally:
        await system.up("temporal")
        await poisoned.terminate("a fault of the campaign")


async def _update_with_nonsense(handle: WorkflowHandle[Any, Any]) -> None:
    with suppress(WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError):
        await handle.execute_update("submit_payment", 7, rpc_timeout=_UPDATE_TIMEOUT)
        raise ForbiddenResponse(f"{handle.id} took a payment method that is none")


@asynccontextmanager
async def _victim(system: System, shoppers: Shoppers, rng: random.Random) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """Any checkout under way; it may have ended by the time that it is asked something."""
    ids = shoppers.recent_ids(_AMONG)
    if not ids:
        system.note("no checkout is under way")
    try:
        # An id of nobody's is as good as that of a checkout that has ended.
        yield system.client.get_workflow_handle(rng.choice(ids) if ids else "nobodys")
    except RPCError as error:
        if error.status not in _ENDED:
            raise


FAULTS = (
    Fault("workflow-cancel", "workflow", "a checkout is cancelled in Temporal's UI", cancel),
    Fault("workflow-terminate", "workflow", "a checkout is terminated in Temporal's UI", terminate),
    Fault("workflow-poisoned", "workflow", "nonsense as a workflow's input, signal and update", poison, (1, 4)),
)
