"""``python -m checkout.bench.outline_worker``: the outline's worker, set as the product's own."""

import sys

from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from checkout.bench.outline import OUTLINE_QUEUE, OutlineWorkflow, do_nothing
from checkout.config import TemporalSettings, load
from checkout.temporal import connect


async def main() -> None:
    """Work until the process is ended."""
    await Worker(
        await connect(load(TemporalSettings)),
        task_queue=OUTLINE_QUEUE,
        workflows=[OutlineWorkflow],
        activities=[do_nothing],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_workflow_task_polls=20,
        nonsticky_to_sticky_poll_ratio=0.5,
        max_concurrent_activity_task_polls=10,
    ).run()


if __name__ == "__main__":
    if sys.platform == "win32":
        import asyncio

        asyncio.run(main())
    else:
        import uvloop

        uvloop.run(main())
