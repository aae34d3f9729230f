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
        system.note(f"{role} committed too little in {seconds:g} s to be trapped")
    finally:
        trap.disarm()


async def lose(bytes_lost: LinkConditions, system: System, _: Shoppers, rng: random.Random, seconds: float) -> None:
    """One worker's connections to Temporal lose what one side says, and are then reset."""
    async with degraded(bytes_lost, system.links[f"{rng.choice(WORKERS)}-temporal"]):
        await asyncio.sleep(seconds)


FAULTS = (
    Fault("worker-kill", "worker", "kill -9 for a worker at any moment", partial(kill, WORKERS)),
    Fault("workers-kill-all", "worker", "kill -9 for all workers, who stay away", partial(kill_all, WORKERS), (2, 8)),
    Fault(
        "worker-pause",
        "worker",
        "a worker is frozen past its time-outs, then goes on",
        partial(pause, WORKERS),
        (9, 15),
    ),
    Fault("worker-sigterm", "worker", "a worker is told to stop in mid-activity", terminate_worker),
    Fault(
        "worker-kill-before-commit",
        "worker",
        "kill -9 for a worker inside an activity: PostgreSQL never hears of its commit",
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
        "what a worker tells Temporal is lost, though it hears; then its connections are cut",
        partial(lose, LinkConditions(loses_requests=True)),
        (2, 6),
    ),
    Fault(
        "worker-responses-lost",
        "worker",
        "Temporal takes a worker's completions and hands it tasks, but its responses are lost; then a cut",
        partial(lose, LinkConditions(loses_responses=True)),
        (2, 6),
    ),
    Fault("temporal-kill", "temporal", "kill -9 for Temporal, which stays away", partial(kill, ["temporal"]), (0, 5)),
    Fault("temporal-pause", "temporal", "Temporal is frozen, then goes on", partial(pause, ["temporal"]), (2, 8)),
    Fault("postgres-immediate-stop", "postgres", "immediate stop of PostgreSQL (SIGQUIT)", stop_postgres_immediately),
    Fault("postgres-kill", "postgres", "kill -9 for PostgreSQL, which stays away", partial(kill, ["postgres"]), (0, 5)),
    Fault("postgres-pause", "postgres", "PostgreSQL is frozen, then goes on", partial(pause, ["postgres"]), (2, 8)),
    Fault(
        "postgres-cut-before-commit",
        "postgres",
        "a connection is cut with a COMMIT that PostgreSQL never gets",
        partial(trap_commit, Moment.BEFORE),
        (4, 8),
    ),
    Fault(
        "postgres-cut-in-commit",
        "postgres",
        "a connection is cut when its COMMIT is done and the response is under way",
        partial(trap_commit, Moment.AFTER),
        (4, 8),
    ),
    Fault(
        "provider-kill", "provider", "kill -9 for the provider, which stays away", partial(kill, ["sandbox"]), (0, 5)
    ),
    Fault("api-kill", "api", "kill -9 for the API", partial(kill, ["api"])),
    Fault("api-pause", "api", "the API is frozen, then goes on", partial(pause, ["api"]), (2, 8)),
)
