"""Reconciliation beside the cases, for those whose workflow is terminated."""

import asyncio
import uuid

from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError, TerminatedError

from checkout.domain.reconcile import ReconcileReport, ReconcileRequest
from checkout.temporal.names import TASK_QUEUE
from workflows.reconcile import ReconcileWorkflow


class Reconciliation:
    """Comparisons one after another, as the schedule starts them, for as long as somebody waits for one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()

    async def wait(self) -> None:
        """Return at the end of one that began after this call."""
        self._asked.append(asyncio.get_running_loop().create_future())
        self._wake.set()
        await self._asked[-1]

    async def run(self) -> None:
        """Compare whenever somebody asks; one that is ended before its time is followed by the next."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._asked = self._asked, []
            while await self.once() is None:
                pass
            for one in asked:
                if not one.done():
                    one.set_result(None)

    async def once(self) -> ReconcileReport | None:
        """Compare everything, however new it is; None when somebody cancelled or terminated the comparison."""
        try:
            return await self._client.execute_workflow(
                ReconcileWorkflow.run,
                ReconcileRequest(grace_seconds=0),
                id=f"reconcile-{uuid.uuid4()}",
                task_queue=TASK_QUEUE,
            )
        except WorkflowFailureError as error:
            if not isinstance(error.cause, CancelledError | TerminatedError):
                raise
            return None
