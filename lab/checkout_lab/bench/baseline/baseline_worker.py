"""The baseline's worker, with every setting as the SDK has it: ``python -m`` this module."""

import asyncio

from temporalio.worker import Worker

from checkout.config.settings import TemporalSettings, load
from checkout.temporal.client import connect
from checkout_lab.bench.baseline.baseline import BASELINE_QUEUE, BaselineWorkflow, do_nothing


async def main() -> None:
    """Work until the process is ended."""
    client = await connect(load(TemporalSettings))
    await Worker(client, task_queue=BASELINE_QUEUE, workflows=[BaselineWorkflow], activities=[do_nothing]).run()


if __name__ == "__main__":
    asyncio.run(main())
