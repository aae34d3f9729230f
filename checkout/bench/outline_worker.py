"""``python -m checkout.bench.outline_worker``: the outline's worker, set as the product's own."""

import sys

from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from checkout.bench.outline import OUTLINE_QUEUE, OutlineWorkflow, do_nothing
from checkout.config import TemporalSettings, load
from checkout.temporal import ACTIVITY_TASK_POLLS, NEW_WORKFLOW_POLLS_PART, WORKFLOW_TASK_POLLS, connect


async def main() -> None:
    """Work until the process is ended."""
    await Worker(
        await connect(load(TemporalSettings)),
        task_queue=OUTLINE_QUEUE,
        workflows=[OutlineWorkflow],
        activities=[do_nothing],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_workflow_task_polls=WORKFLOW_TASK_POLLS,
        nonsticky_to_sticky_poll_ratio=NEW_WORKFLOW_POLLS_PART,
        max_concurrent_activity_task_polls=ACTIVITY_TASK_POLLS,
    ).run()


if __name__ == "__main__":
    if sys.platform == "win32":
        import asyncio

        asyncio.run(main())
    else:
        import uvloop

        uvloop.run(main())
