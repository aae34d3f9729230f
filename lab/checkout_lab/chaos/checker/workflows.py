"""The checks on the workflows: none is lost, none runs twice, none has failed. The numbers are those of the invariants.

Temporal's list of workflows lags behind; what it does not show yet, or shows as open, is asked for one by one.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from checkout_lab.chaos.checker.books import Tables, Violation
from checkout_lab.chaos.checker.states import ENDED, WAITING_FOR_A_PERSON

_CHECKOUTS: Final = "WorkflowType = 'CheckoutWorkflow'"
_PAGE: Final = 1000
_AT_ONCE: Final = 16
#: Ends that no checkout's workflow may come to. Somebody may terminate it, which reconciliation repairs.
_NEVER: Final = frozenset({"FAILED", "TIMED_OUT", "CANCELED"})


@dataclass(frozen=True)
class WorkflowRun:
    """One run of a checkout's workflow; ``status`` is Temporal's: RUNNING, COMPLETED, TERMINATED, …"""

    checkout_id: str
    run_id: str
    status: str


async def read_runs(client: Client, ours: Collection[str]) -> list[WorkflowRun]:
    """Every run of a checkout that Temporal lists, and the present state of those that are the campaign's.

    Raises:
        temporalio.service.RPCError: Temporal is away.
    """
    listed = [
        WorkflowRun(one.id, one.run_id, _name(one.status))
        async for one in client.list_workflows(_CHECKOUTS, page_size=_PAGE, limit=None)
    ]
    closed = {run.checkout_id for run in listed if run.status != "RUNNING"}
    doubtful = {run.checkout_id for run in listed if run.status == "RUNNING"} | (set(ours) - closed)
    gate = asyncio.Semaphore(_AT_ONCE)
    asked = await asyncio.gather(*(_ask(client, checkout_id, gate) for checkout_id in sorted(doubtful)))
    return list({run.run_id: run for run in [*listed, *(run for run in asked if run)]}.values())


async def _ask(client: Client, checkout_id: str, gate: asyncio.Semaphore) -> WorkflowRun | None:
    async with gate:
        try:
            one = await client.get_workflow_handle(checkout_id).describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None
    return WorkflowRun(one.id, one.run_id, _name(one.status))


def _name(status: WorkflowExecutionStatus | None) -> str:
    return status.name if status else "UNKNOWN"


def at_work(runs: Iterable[WorkflowRun]) -> frozenset[str]:
    """The checkouts whose workflow is open."""
    return frozenset(run.checkout_id for run in runs if run.status == "RUNNING")


def unfinished(runs: Iterable[WorkflowRun], accepted: Collection[str], tables: Tables) -> dict[str, str]:
    """Those accepted that have neither ended nor wait for a person: id -> where it stands."""
    running, known = at_work(runs), {run.checkout_id for run in runs}
    found = {}
    for checkout_id in accepted:
        row = tables.checkouts.get(checkout_id)
        status = row.status if row else "nowhere"
        if status in ENDED or (status in WAITING_FOR_A_PERSON and checkout_id in running):
            continue
        if row is None and checkout_id in known - running:
            continue  # It was terminated before its first step, and nothing of it ever happened.
        found[checkout_id] = f"{status}, its workflow {'open' if checkout_id in running else 'closed'}"
    return found


def run_violations(runs: Iterable[WorkflowRun], ours: Collection[str], tables: Tables) -> list[Violation]:
    """What is wrong with the runs of the campaign's checkouts: those accepted, or in the tables.

    A workflow that somebody has started past the API, with whatever input, is nobody's checkout.
    """
    runs_of: dict[str, list[WorkflowRun]] = defaultdict(list)
    for run in runs:
        runs_of[run.checkout_id].append(run)
    return [
        violation
        for checkout_id in sorted(set(ours))
        for violation in _judged(checkout_id, runs_of[checkout_id], tables)
    ]


def _judged(checkout_id: str, runs: list[WorkflowRun], tables: Tables) -> Iterable[Violation]:
    if not runs:
        yield Violation("10: every checkout has a workflow", checkout_id, "Temporal knows none")
    if len(runs) > 1:
        yield Violation("10: none runs twice", checkout_id, ", ".join(f"{run.run_id} {run.status}" for run in runs))
    for run in runs:
        row = tables.checkouts.get(checkout_id)
        if run.status in _NEVER:
            yield Violation("10: no workflow fails", checkout_id, f"{run.run_id} is {run.status}")
        if run.status == "COMPLETED" and (row is None or row.status not in ENDED):
            yield Violation(
                "10: what is over has ended", checkout_id, f"completed, and is {row.status if row else row}"
            )
