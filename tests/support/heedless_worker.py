"""A worker that takes workflow tasks and looks at nothing in them, as one does that an update never reached."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest
from temporalio.client import Client

from checkout.temporal.names import TASK_QUEUE


@asynccontextmanager
async def heedless_worker(client: Client) -> AsyncIterator[None]:
    """Completes every workflow task of the queue, without a command, within the block."""
    working = asyncio.create_task(_work(client))
    try:
        yield
    finally:
        working.cancel()


async def _work(client: Client) -> None:
    service, queue = client.workflow_service, TaskQueue(name=TASK_QUEUE)
    while True:
        task = await service.poll_workflow_task_queue(
            PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity="heedless")
        )
        if task.task_token:
            await service.respond_workflow_task_completed(
                RespondWorkflowTaskCompletedRequest(
                    namespace=client.namespace, task_token=task.task_token, identity="heedless"
                )
            )
