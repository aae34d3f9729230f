"""Calls to Temporal with a deadline, whose failures become the problems a client can act on."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from api.http.problems import TEMPORAL_OVERLOADED, TEMPORAL_UNAVAILABLE, Problem

#: How long one look at Temporal may take before the client is told to come back.
CALL_SECONDS: Final = 5.0

_log = logging.getLogger("checkout.api")

#: Temporal is away, or on its way back; anything else is for an operator to repair.
_PASSING = frozenset(
    {
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNAVAILABLE,
    }
)


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Bound what is awaited inside, connecting included, and translate what Temporal's absence looks like.

    Raises:
        Problem: 503 when Temporal is away, has too much to do, or refuses us.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise unavailable("it did not answer in time") from error
    except RPCError as error:
        raise as_problem(error) from error
    except RuntimeError as error:
        # What a lazy client raises while it cannot connect; it has no class of its own.
        if not str(error).startswith("Failed client connect"):
            raise
        raise unavailable("there is no connection") from error


def as_problem(error: RPCError) -> Problem:
    """The problem that stands for this failure of a call."""
    if error.status == RPCStatusCode.RESOURCE_EXHAUSTED:
        return Problem(TEMPORAL_OVERLOADED, "Temporal has more to do than it can. Send the same request again later.")
    if error.status not in _PASSING:
        # A missing namespace, search attribute or permission: no retry of the client's will repair it.
        _log.error("Temporal refuses our calls (%s): %s", error.status.name, error.message)
        return unavailable("it refuses our calls")
    return unavailable("it does not answer")


def unavailable(what: str) -> Problem:
    """Temporal is away, and the client loses nothing by asking again."""
    return Problem(
        TEMPORAL_UNAVAILABLE,
        f"Temporal cannot be reached: {what}. Send the same request again: nothing was started, or it will be found.",
    )


def is_unknown_workflow(error: RPCError) -> bool:
    """Whether Temporal says that there is no such workflow (a missing namespace has the same status)."""
    return error.status == RPCStatusCode.NOT_FOUND and not any(
        detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details
    )
