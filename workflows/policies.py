"""How long each kind of activity may take, and how it is retried."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import HEARTBEAT_TIMEOUT_SECONDS
    from checkout.domain.errors import Contradicted, InvariantBroken, ProviderRefusedCall, TooLate
    from checkout.domain.messages import Timeouts

#: Errors that no retry can help. A step that meets one is undone; an undo is retried until a person has repaired it.
_NON_RETRYABLE = [error.__name__ for error in (TooLate, InvariantBroken, ProviderRefusedCall, Contradicted)]

#: Above the server's own limit for a statement (8 s); also how long the death of a worker goes unnoticed.
_DATABASE_TIMEOUT = timedelta(seconds=10)
#: Far more than a few statements take, and less than a workflow task may.
LOCAL_TIMEOUT = timedelta(seconds=1.5)
LOCAL_RETRY = RetryPolicy(maximum_attempts=1)
_HEARTBEAT_TIMEOUT = timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)


@dataclass(frozen=True)
class Policy:
    """The time-outs and retries of one execution of an activity.

    ``local_first``: it is executed once within the workflow task, which spares the server the scheduling. If that does
    not succeed at once, it runs as a regular activity, where an operator sees it pending, with its error. A pivot (what
    cannot be undone, ``is_pivot``) is local first only directly after a result that the server has written down.
    """

    start_to_close: timedelta
    retry: RetryPolicy
    heartbeat: timedelta | None = None
    schedule_to_close: timedelta | None = None
    local_first: bool = False
    is_pivot: bool = False


def database(_: Timeouts) -> Policy:
    """A few statements, retried for as long as PostgreSQL is away, since no money moves meanwhile."""
    return Policy(_DATABASE_TIMEOUT, _retry(first=0.2, slowest=5, non_retryable=_NON_RETRYABLE), local_first=True)


def temporal(_: Timeouts) -> Policy:
    """A call of Temporal itself, which no workflow task is held open for."""
    return Policy(_DATABASE_TIMEOUT, _retry(first=0.2, slowest=5, non_retryable=[]))


def database_pivot(timeouts: Timeouts) -> Policy:
    """As `database`, for the step that cannot be undone: before it runs, the history has to say that it is next.

    A cancellation that comes when the workflow task was lost has to know that it is too late. A step within that task
    leaves nothing behind to know it by; the result before it does.
    """
    return replace(database(timeouts), is_pivot=True)


def database_undo(_: Timeouts) -> Policy:
    """As `database`, retried whatever the error: a deploy or a person may yet repair what stands in the way."""
    return Policy(_DATABASE_TIMEOUT, _retry(first=0.2, slowest=10, non_retryable=[]))


def provider(timeouts: Timeouts) -> Policy:
    """Calls of the payment provider, retried until support should be told."""
    budget = timedelta(seconds=timeouts.payment_stuck_after_seconds)
    retry = _retry(first=0.5, slowest=10, non_retryable=_NON_RETRYABLE)
    return Policy(_provider_timeout(timeouts), retry, _HEARTBEAT_TIMEOUT, schedule_to_close=budget)


def one_look(timeouts: Timeouts) -> Policy:
    """One execution, for a workflow that decides itself what comes next."""
    retry = RetryPolicy(maximum_attempts=1)
    return Policy(_provider_timeout(timeouts), retry, _HEARTBEAT_TIMEOUT)


def provider_undo(timeouts: Timeouts) -> Policy:
    """Giving money back, retried however long it takes."""
    return Policy(_provider_timeout(timeouts), _retry(first=0.5, slowest=30, non_retryable=[]), _HEARTBEAT_TIMEOUT)


def comparison(_: Timeouts) -> Policy:
    """A few retries; what fails is reported, and the next comparison tries again. None may delay the others."""
    non_retryable = [error.__name__ for error in (InvariantBroken, ProviderRefusedCall)]
    retry = RetryPolicy(
        maximum_interval=timedelta(seconds=10), maximum_attempts=6, non_retryable_error_types=non_retryable
    )
    return Policy(timedelta(minutes=5), retry, _HEARTBEAT_TIMEOUT)


def _provider_timeout(timeouts: Timeouts) -> timedelta:
    # A call, a look at what became of it, and the statements around them.
    return timedelta(seconds=3 * timeouts.provider_timeout_seconds + 10)


def _retry(first: float, slowest: float, non_retryable: list[str]) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=timedelta(seconds=first),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=slowest),
        non_retryable_error_types=non_retryable,
    )


def growing_pauses(first: float, growth: float, slowest: float) -> Iterator[float]:
    """Pauses in seconds between looks at something that only somebody else can change."""
    pause = first
    while True:
        yield pause
        pause = min(pause * growth, slowest)
