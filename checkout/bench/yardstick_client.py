"""The yardstick's client: starts the bare workflow and waits for its result, with the SDK as it is."""

import itertools
import uuid
from time import perf_counter

from temporalio.client import Client

from checkout.bench.yardstick import YARDSTICK_QUEUE, YardstickWorkflow


class Yardstick:
    """Runs yardstick workflows. All clients share one connection, as those of one process do."""

    name = "yardstick"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ids = (f"yardstick-{uuid.uuid4().hex}-{number}" for number in itertools.count())

    async def connect(self) -> "Yardstick":
        """One more client, which needs nothing of its own."""
        return self

    async def __call__(self) -> None:
        """Run one to its end; raises RPCError when Temporal is away."""
        await self._client.execute_workflow(YardstickWorkflow.run, id=next(self._ids), task_queue=YARDSTICK_QUEUE)

    async def start(self) -> float:
        """Start one, and answer how long that took in seconds; returns when it has ended. Raises as above."""
        started = perf_counter()
        handle = await self._client.start_workflow(
            YardstickWorkflow.run, id=next(self._ids), task_queue=YARDSTICK_QUEUE
        )
        elapsed = perf_counter() - started
        await handle.result()
        return elapsed

    def close(self) -> None:
        """Nothing is held."""
