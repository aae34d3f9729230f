"""``python -m checkout.bench.yardstick_worker``: the yardstick's worker, with every setting as the SDK has it."""

import asyncio

from temporalio.worker import Worker

from checkout.bench.yardstick import YARDSTICK_QUEUE, YardstickWorkflow, do_nothing
from checkout.config import TemporalSettings, load
from checkout.temporal import connect


async def main() -> None:
    """Work until the process is ended."""
    client = await connect(load(TemporalSettings))
    await Worker(client, task_queue=YARDSTICK_QUEUE, workflows=[YardstickWorkflow], activities=[do_nothing]).run()


if __name__ == "__main__":
    asyncio.run(main())
