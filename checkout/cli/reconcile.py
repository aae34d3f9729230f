"""``checkout reconcile``: compares the books now, and shows what does not agree."""

import asyncio
import json
import sys
import time
import uuid
from dataclasses import asdict
from datetime import timedelta

from rich.console import Console
from rich.status import Status
from rich.table import Table
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from checkout.cli.failures import FAILED, give_up, temporal_explained
from checkout.config.settings import ReconcileSettings, TemporalSettings, load_all
from checkout.domain.errors import CheckoutError
from checkout.domain.reconcile import ReconcileReport, ReconcileRequest
from checkout.temporal.client import connect
from checkout.temporal.names import RECONCILE_WORKFLOW, TASK_QUEUE

_LOOK_SECONDS = 0.5
_QUERY_TIMEOUT = timedelta(seconds=2)
#: Events in the history of a workflow that no worker has taken up: it was started, and its first task was scheduled.
_UNTOUCHED = 2

Handle = WorkflowHandle[object, ReconcileReport]


class NoWorker(CheckoutError):
    """Nobody has taken the comparison up in time."""


class TooSlow(CheckoutError):
    """The comparison goes on, and we have stopped waiting for it."""


def run_reconcile(*, as_json: bool, worker_seconds: float, wait_seconds: float) -> None:
    """Have a worker compare everything, show the report, and exit with 1 when anything did not agree.

    ``worker_seconds`` bounds the wait for a worker, ``wait_seconds`` that for the end.

    Raises:
        ConfigurationError: settings are missing or malformed.
        NoWorker, TooSlow: the report did not come in time.
    """
    temporal, settings = load_all(TemporalSettings, ReconcileSettings)
    with temporal_explained(temporal):
        try:
            report = asyncio.run(_run(temporal, settings, worker_seconds, wait_seconds))
        except WorkflowFailureError as error:
            give_up(FAILED, f"the comparison failed: {error.cause}")
    (_print_json if as_json else _print_table)(report)
    sys.exit(FAILED if report.found else 0)


async def _run(
    temporal: TemporalSettings, settings: ReconcileSettings, worker_seconds: float, wait_seconds: float
) -> ReconcileReport:
    client = await connect(temporal)
    handle = await _start(client, settings)
    with Console(stderr=True).status("waiting for a worker") as status:
        try:
            async with asyncio.timeout(wait_seconds):
                return await _watch(handle, status, worker_seconds)
        except TimeoutError:
            raise TooSlow(f"no report within {wait_seconds:g} s; {handle.id} goes on in Temporal") from None


async def _start(client: Client, settings: ReconcileSettings) -> Handle:
    return await client.start_workflow(
        RECONCILE_WORKFLOW,
        ReconcileRequest(window_hours=settings.window_hours),
        id=f"reconcile-{uuid.uuid4()}",
        task_queue=TASK_QUEUE,
        result_type=ReconcileReport,
        static_summary="Do stock, orders and payments agree? (started by `checkout reconcile`)",
    )


async def _watch(handle: Handle, status: Status, worker_seconds: float) -> ReconcileReport:
    started = time.monotonic()
    result = asyncio.create_task(handle.result())
    try:
        while not (await asyncio.wait({result}, timeout=_LOOK_SECONDS))[0]:
            if (await handle.describe()).history_length > _UNTOUCHED:
                status.update(await _progress(handle) or "comparing")
            elif time.monotonic() - started > worker_seconds:
                await handle.terminate("no worker has taken it up")
                raise NoWorker(f"no worker took it up within {worker_seconds:g} s (queue {TASK_QUEUE}): does one run?")
        return result.result()
    finally:
        result.cancel()


async def _progress(handle: Handle) -> str | None:
    try:
        report = await handle.query("progress", result_type=ReconcileReport, rpc_timeout=_QUERY_TIMEOUT)
    except RPCError as error:
        # The worker is busy or on its way out. What it does is shown again when it responds.
        if error.status not in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.FAILED_PRECONDITION):
            raise
        return None
    return "compared " + ", ".join(f"{count} {what}" for what, count in report.checked.items())


def _print_json(report: ReconcileReport) -> None:
    print(json.dumps(asdict(report) | {"unrepaired": report.unrepaired}))  # noqa: T201


def _print_table(report: ReconcileReport) -> None:
    console = Console(highlight=False)
    console.print("Compared " + ", ".join(f"{count} {what}" for what, count in report.checked.items()) + ".")
    if not report.found:
        console.print("Everything agrees.")
        return
    table = Table()
    for heading in ("What", "Where", "Detail", "State"):
        # An id that was cut could not be copied.
        table.add_column(heading, overflow="fold")
    for one in report.mismatches:
        where = one.checkout_id or one.sku or one.provider_reference or "-"
        table.add_row(one.kind, where, one.detail, "repaired" if one.repaired else "OPEN")
    console.print(table)
    more = report.found - len(report.mismatches)
    listed = f" ({more} are not listed)" if more else ""
    console.print(f"{report.found} found, {report.repaired} repaired, {report.unrepaired} open{listed}.")
