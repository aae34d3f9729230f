"""``python -m checkout_lab.bench.baseline.lower_bound_worker``: the lower bound's worker, set as the product's own."""

import sys

from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from checkout.config.settings import TemporalSettings, load
from checkout.temporal.client import connect
from checkout.temporal.polls import ACTIVITY_TASK_POLLS, NEW_WORKFLOW_POLLS_PART, WORKFLOW_TASK_POLLS
from checkout_lab.bench.baseline.lower_bound import LOWER_BOUND_QUEUE, LowerBoundWorkflow, do_nothing


async def main() -> None:
    """Work until the process is ended."""
    await Worker(
        await connect(load(TemporalSettings)),
        task_queue=LOWER_BOUND_QUEUE,
        workflows=[LowerBoundWorkflow],
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
