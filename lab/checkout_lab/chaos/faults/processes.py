"""Processes that die, freeze, or are told to stop: workers, servers and the API."""

import asyncio
import random
from collections.abc import Sequence
from functools import partial

from checkout_lab.chaos.faults.base import Fault, Shoppers
from checkout_lab.chaos.proxy.connection import LinkConditions
from checkout_lab.chaos.proxy.postgres import Moment
from checkout_lab.chaos.system.links import degraded
from checkout_lab.chaos.system.system import WORKERS, System

#: How many commits a trap may let pass, so that it meets every step in its turn.
_SPARED_COMMITS = 8


async def kill(roles: Sequence[str], system: System, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """kill -9 for one of the roles, which stays away for so long."""
    await _stay_away([rng.choice(roles)], system, seconds)


async def kill_all(roles: Sequence[str], system: System, _: Shoppers, __: random.Random, seconds: float) -> None:
    """kill -9 for all of the roles, which stay away for so long."""
    await _stay_away(roles, system, seconds)


async def _stay_away(roles: Sequence[str], system: System, seconds: float) -> None:
    for role in roles:
        system.hold(role)
        system.kill(role)
    try:
        await asyncio.sleep(seconds)
    finally:
        for role in roles:
            system.release(role)


async def pause(roles: Sequence[str], system: System, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """SIGSTOP for one of the roles, and SIGCONT when the time is up."""
    role = rng.choice(roles)
    system.pause(role)
    try:
        await asyncio.sleep(seconds)
    finally:
        system.resume(role)


async def terminate_worker(system: System, _: Shoppers, rng: random.Random, __: float) -> None:
    """Send SIGTERM to one worker."""
    system.terminate(rng.choice(WORKERS))


async def stop_postgres_immediately(system: System, _: Shoppers, __: random.Random, ___: float) -> None:
    """Send SIGQUIT to the postmaster."""
    system.stop_immediately()


async def trap_commit(
    moment: Moment, system: System, _: Shoppers, rng: random.Random, seconds: float, *, kills: bool = False
) -> None:
    """Cut one worker's connection at one of its next commits, if there is one in time, and kill the worker with it."""
    role = rng.choice(WORKERS)
    trap, sprung = system.traps[role], asyncio.Event()

    def spring() -> None:
        if kills:
            system.kill(role)
        sprung.set()

    trap.arm(moment, rng.randrange(_SPARED_COMMITS), spring)
    try:
        async with asyncio.timeout(seconds):
            await sprung.wait()
    except TimeoutError:
        system.note(f"{role} made no commit in {seconds:g} s that the fault could stop")
    finally:
        trap.disarm()


async def lose(bytes_lost: LinkConditions, system: System, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """One worker's connections to Temporal lose what one side says, and are then reset."""
    async with degraded(bytes_lost, system.links[f"{rng.choice(WORKERS)}-temporal"]):
        await asyncio.sleep(seconds)


FAULTS = (
    Fault("worker-kill", "worker", "kill -9 for a worker at any moment", partial(kill, WORKERS)),
    Fault("workers-kill-all", "worker", "kill -9 for all workers, restart delayed", partial(kill_all, WORKERS), (2, 8)),
    Fault(
        "worker-pause",
        "worker",
        "a worker is suspended for longer than its timeouts, then resumed",
        partial(pause, WORKERS),
        (9, 15),
    ),
    Fault("worker-sigterm", "worker", "SIGTERM for a worker that runs activities", terminate_worker),
    Fault(
        "worker-kill-before-commit",
        "worker",
        "kill -9 for a worker inside an activity, before its COMMIT reaches PostgreSQL",
        partial(trap_commit, Moment.BEFORE, kills=True),
        (4, 8),
    ),
    Fault(
        "activity-run-twice",
        "worker",
        "kill -9 for a worker after an activity's commit and before its completion is reported",
        partial(trap_commit, Moment.AFTER, kills=True),
        (4, 8),
    ),
    Fault(
        "worker-reports-lost",
        "worker",
        "what a worker sends to Temporal is lost, and it still receives; then its connections are cut",
        partial(lose, LinkConditions(loses_requests=True)),
        (2, 6),
    ),
    Fault(
        "worker-responses-lost",
        "worker",
        "what Temporal sends to a worker is lost, and it still receives; then its connections are cut",
        partial(lose, LinkConditions(loses_responses=True)),
        (2, 6),
    ),
    Fault("temporal-kill", "temporal", "kill -9 for Temporal, restart delayed", partial(kill, ["temporal"]), (0, 5)),
    Fault("temporal-pause", "temporal", "Temporal is suspended, then resumed", partial(pause, ["temporal"]), (2, 8)),
    Fault("postgres-immediate-stop", "postgres", "immediate stop of PostgreSQL (SIGQUIT)", stop_postgres_immediately),
    Fault("postgres-kill", "postgres", "kill -9 for PostgreSQL, restart delayed", partial(kill, ["postgres"]), (0, 5)),
    Fault("postgres-pause", "postgres", "PostgreSQL is suspended, then resumed", partial(pause, ["postgres"]), (2, 8)),
    Fault(
        "postgres-cut-before-commit",
        "postgres",
        "a connection is cut before its COMMIT reaches PostgreSQL",
        partial(trap_commit, Moment.BEFORE),
        (4, 8),
    ),
    Fault(
        "postgres-cut-in-commit",
        "postgres",
        "a connection is cut after its COMMIT, before the response arrives",
        partial(trap_commit, Moment.AFTER),
        (4, 8),
    ),
    Fault("provider-kill", "provider", "kill -9 for the provider, restart delayed", partial(kill, ["sandbox"]), (0, 5)),
    Fault("api-kill", "api", "kill -9 for the API", partial(kill, ["api"])),
    Fault("api-pause", "api", "the API is suspended, then resumed", partial(pause, ["api"]), (2, 8)),
)
