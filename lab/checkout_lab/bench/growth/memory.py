"""Memory over many checkouts, and what comparing the books costs once they are there."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from checkout.domain.reconcile import ReconcileReport, ReconcileRequest
from checkout.temporal.names import RECONCILE_WORKFLOW, TASK_QUEUE
from checkout_lab.bench.environment.environment import BenchEnvironment
from checkout_lab.bench.environment.processes import spent
from checkout_lab.bench.load.loops import closed_count
from checkout_lab.bench.load.samples import rounded
from checkout_lab.bench.progress import Steps

CHECKOUTS: Final = 10_000
_LOOKS: Final = 20
_CLIENTS: Final = 16
_ROLES: Final = ("worker", "api", "postgres", "temporal", "sandbox")


@dataclass(frozen=True)
class Look:
    """The resident memory of each role after so many checkouts, in megabytes."""

    checkouts: int
    memory_mb: dict[str, float]


async def measure_memory(environment: BenchEnvironment, checkouts: int, steps: Steps) -> dict[str, Any]:
    """Sell so much, look at the memory on the way, and then compare the books once.

    Raises:
        BenchError: a process is away or has died; nothing of it may be reported.
    """
    steps.expect(_LOOKS + 1)
    storefront = environment.storefront()
    batch = max(1, checkouts // _LOOKS)
    looks = [_look(environment, 0)]
    while looks[-1].checkouts < checkouts:
        steps.begin(f"memory after {looks[-1].checkouts:,} checkouts")
        await closed_count(storefront, _CLIENTS, batch)
        await environment.settled()
        looks.append(_look(environment, looks[-1].checkouts + batch))
    steps.begin("comparing the books")
    return {
        "growth": "memory",
        "points": [{"amount": look.checkouts, "memory_mb": look.memory_mb} for look in looks],
        "second_half_mb": {role: _gain(looks, role) for role in _ROLES},
        "reconcile": await _reconcile(environment),
    }


def _look(environment: BenchEnvironment, checkouts: int) -> Look:
    return Look(checkouts, {role: rounded(environment.processes.memory_mb(role)) for role in _ROLES})


def _gain(looks: list[Look], role: str) -> float:
    """What was added in the second half, when caches and pools are full: what a leak would add for ever."""
    return rounded(looks[-1].memory_mb[role] - looks[len(looks) // 2].memory_mb[role])


async def _reconcile(environment: BenchEnvironment) -> dict[str, Any]:
    before, started = environment.processes.cpu_seconds(), perf_counter()
    report = await environment.temporal.execute_workflow(
        RECONCILE_WORKFLOW,
        ReconcileRequest(window_hours=48),
        id="reconcile-bench",
        task_queue=TASK_QUEUE,
        result_type=ReconcileReport,
    )
    seconds = perf_counter() - started
    cost = spent(before, environment.processes.cpu_seconds())
    return {
        "seconds": rounded(seconds),
        "cpu_seconds": {role: rounded(used) for role, used in cost.items()},
        "found": report.found,
        "checked": report.checked,
    }
