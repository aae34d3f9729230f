"""Clients of bare workflows: start one and wait for its result, with the SDK as it is."""

import itertools
import uuid
from time import perf_counter

from temporalio.client import Client

from checkout_lab.bench.baseline.baseline import BASELINE_QUEUE, BaselineWorkflow
from checkout_lab.bench.baseline.lower_bound import LOWER_BOUND_QUEUE, LowerBoundWorkflow


class BareWorkflow:
    """Runs one workflow again and again. All clients share one connection, as those of one process do."""

    def __init__(self, client: Client, name: str, workflow: type, task_queue: str) -> None:
        self.name = name
        self._client = client
        self._workflow = workflow.__name__
        self._task_queue = task_queue
        self._ids = (f"{name}-{uuid.uuid4().hex}-{number}" for number in itertools.count())

    async def connect(self) -> "BareWorkflow":
        """Return one more client; it needs no connection of its own."""
        return self

    async def __call__(self) -> None:
        """Run one to its end; raises RPCError when Temporal is away."""
        await self._client.execute_workflow(self._workflow, id=next(self._ids), task_queue=self._task_queue)

    async def start(self) -> float:
        """Start one, and return how long that took in seconds, once it has ended. Raises as above."""
        started = perf_counter()
        handle = await self._client.start_workflow(self._workflow, id=next(self._ids), task_queue=self._task_queue)
        elapsed = perf_counter() - started
        await handle.result()
        return elapsed

    def close(self) -> None:
        """Do nothing: the connection is shared."""


def baseline(client: Client) -> BareWorkflow:
    """The clients of the baseline."""
    return BareWorkflow(client, "baseline", BaselineWorkflow, BASELINE_QUEUE)


def lower_bound(client: Client) -> BareWorkflow:
    """The clients of the lower bound."""
    return BareWorkflow(client, "lower_bound", LowerBoundWorkflow, LOWER_BOUND_QUEUE)
