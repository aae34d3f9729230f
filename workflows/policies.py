"""How long each kind of step may take, and how it is tried again. Named here, so that the story need not say it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import HEARTBEAT_TIMEOUT_SECONDS
    from checkout.domain.errors import Contradicted, InvariantBroken, ProviderRefusedCall, TooLate
    from checkout.domain.messages import Timeouts

#: Errors that asking again cannot help. A do that meets one is undone; an undo is tried on, for a person to repair.
_HOPELESS = [error.__name__ for error in (TooLate, InvariantBroken, ProviderRefusedCall, Contradicted)]

#: Above the server's own limit for a statement (8 s); also how long the death of a worker goes unnoticed.
_DATABASE_TIMEOUT = timedelta(seconds=10)
#: Far more than a few statements take, and less than a workflow task may.
LOCAL_TIMEOUT = timedelta(seconds=1.5)
LOCAL_RETRY = RetryPolicy(maximum_attempts=1)
_HEARTBEAT_TIMEOUT = timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)


@dataclass(frozen=True)
class Policy:
    """The time-outs and retries of one execution of an activity.

    ``local_first``: one try within the workflow task, which spares the server the scheduling; what that cannot do at
    once is done as a regular activity, where an operator sees it pending, with its error. What is ``for_good`` has that
    try only directly after an answer that the server has written down.
    """

    start_to_close: timedelta
    retry: RetryPolicy
    heartbeat: timedelta | None = None
    schedule_to_close: timedelta | None = None
    local_first: bool = False
    for_good: bool = False


def database(_: Timeouts) -> Policy:
    """A few statements, retried for as long as PostgreSQL is away: nobody is charged meanwhile, and it comes back."""
    return Policy(_DATABASE_TIMEOUT, _retry(first=0.2, slowest=5, hopeless=_HOPELESS), local_first=True)


def temporal(_: Timeouts) -> Policy:
    """A call of Temporal itself, which no workflow task is held open for."""
    return Policy(_DATABASE_TIMEOUT, _retry(first=0.2, slowest=5, hopeless=[]))


def database_for_good(timeouts: Timeouts) -> Policy:
    """The same for what cannot be undone: before it runs, the history has to say that it comes next.

    A cancellation that comes when the workflow task was lost has to know that it is too late, and a step within that
    task leaves nothing behind to know it by; the answer before it does.
    """
    return replace(database(timeouts), for_good=True)


def database_undo(_: Timeouts) -> Policy:
    """The same, and no error is hopeless: a deploy or a person may yet repair what stands in the way."""
    return Policy(_DATABASE_TIMEOUT, _retry(first=0.2, slowest=10, hopeless=[]))


def provider(timeouts: Timeouts) -> Policy:
    """Calls to the payment provider, tried until support should be told."""
    budget = timedelta(seconds=timeouts.payment_stuck_after_seconds)
    retry = _retry(first=0.5, slowest=10, hopeless=_HOPELESS)
    return Policy(_provider_timeout(timeouts), retry, _HEARTBEAT_TIMEOUT, schedule_to_close=budget)


def one_look(timeouts: Timeouts) -> Policy:
    """One try, for a story that decides itself what comes next."""
    retry = RetryPolicy(maximum_attempts=1)
    return Policy(_provider_timeout(timeouts), retry, _HEARTBEAT_TIMEOUT)


def provider_undo(timeouts: Timeouts) -> Policy:
    """Money is given back, however long it takes."""
    return Policy(_provider_timeout(timeouts), _retry(first=0.5, slowest=30, hopeless=[]), _HEARTBEAT_TIMEOUT)


def _provider_timeout(timeouts: Timeouts) -> timedelta:
    # A call, a look at what became of it, and the statements around them.
    return timedelta(seconds=3 * timeouts.provider_timeout_seconds + 10)


def _retry(first: float, slowest: float, hopeless: list[str]) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=timedelta(seconds=first),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=slowest),
        non_retryable_error_types=hopeless,
    )


def ever_slower(first: float, growth: float, slowest: float) -> Iterator[float]:
    """Pauses in seconds between looks at something that only somebody else can change."""
    pause = first
    while True:
        yield pause
        pause = min(pause * growth, slowest)
