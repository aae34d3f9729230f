"""The shop in a few numbers: how many checkouts wait for somebody, and what the last reconciliation found."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.client import Client

from api.support.visibility import is_of_type, quoted
from api.temporal.calls import CALL_SECONDS
from checkout.domain.reconcile import ReconcileReport
from checkout.domain.states import CheckoutStatus
from checkout.temporal.names import CHECKOUT_STATUS, CHECKOUT_WORKFLOW, HOLD_WORKFLOW, RECONCILE_WORKFLOW

#: For so long an overview is returned again, however often Prometheus and support ask for one.
FRESH_SECONDS: Final = 5.0
WAITING: Final = (CheckoutStatus.AWAITING_PAYMENT, CheckoutStatus.PAYMENT_STUCK, CheckoutStatus.COMPENSATION_STUCK)
_CALL_TIMEOUT: Final = timedelta(seconds=CALL_SECONDS)


@dataclass(frozen=True)
class Overview:
    """Open checkouts by status, the unrepaired mismatches of the last report (None before any), and how many holds keep
    all payments waiting: 1 or 0.

    ``read_at`` is Unix time in seconds.
    """

    waiting: Mapping[CheckoutStatus, int]
    mismatches: int | None
    read_at: float
    holds: int = 0


class Overviews:
    """Reads an overview from Temporal when it is needed, and keeps it for a moment."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._one_at_a_time = asyncio.Lock()
        self._latest: Overview | None = None

    async def latest(self) -> Overview:
        """An overview that is at most `FRESH_SECONDS` old.

        Raises:
            RPCError: Temporal cannot be reached.
        """
        async with self._one_at_a_time:
            if self._latest is None or time.time() - self._latest.read_at > FRESH_SECONDS:
                self._latest = await self._read()
            return self._latest

    async def _read(self) -> Overview:
        counts = asyncio.gather(*map(self._count, WAITING))
        counted, mismatches, holds = await asyncio.gather(counts, self._mismatches(), self._holds())
        return Overview(dict(zip(WAITING, counted, strict=True)), mismatches, time.time(), holds)

    async def _count(self, status: CheckoutStatus) -> int:
        # A terminated workflow keeps the status that it published last, and no longer waits.
        query = (
            f"{is_of_type(CHECKOUT_WORKFLOW)} AND ExecutionStatus = 'Running' "
            f"AND {CHECKOUT_STATUS.name} = {quoted(status)}"
        )
        return (await self._client.count_workflows(query, rpc_timeout=_CALL_TIMEOUT)).count

    async def _holds(self) -> int:
        query = f"{is_of_type(HOLD_WORKFLOW)} AND ExecutionStatus = 'Running'"
        return (await self._client.count_workflows(query, rpc_timeout=_CALL_TIMEOUT)).count

    async def _mismatches(self) -> int | None:
        query = f"{is_of_type(RECONCILE_WORKFLOW)} AND ExecutionStatus = 'Completed'"
        # The store lists closed workflows by the time at which they closed, the last first.
        async for last in self._client.list_workflows(query, page_size=1, limit=1, rpc_timeout=_CALL_TIMEOUT):
            handle = self._client.get_workflow_handle(last.id, run_id=last.run_id, result_type=ReconcileReport)
            report: ReconcileReport = await handle.result(rpc_timeout=_CALL_TIMEOUT)
            return report.unrepaired
        return None
