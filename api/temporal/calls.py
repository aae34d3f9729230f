"""Calls to Temporal with a deadline, whose failures become the problems a client can act on."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from api.http.problems import TEMPORAL_OVERLOADED, TEMPORAL_UNAVAILABLE, Problem

#: How long one call of Temporal may take before the client is told to send its request again.
CALL_SECONDS: Final = 5.0

_log = logging.getLogger("checkout.api")

#: Temporal is down or restarting; anything else is for an operator to repair.
_TRANSIENT = frozenset(
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
async def response_within(seconds: float) -> AsyncIterator[None]:
    """Bound the calls inside, connecting included, and turn failures of Temporal into problems.

    Raises:
        Problem: 503 when Temporal cannot be reached, is overloaded, or refuses the call.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise unavailable("it did not respond in time") from error
    except RPCError as error:
        raise as_problem(error) from error
    except RuntimeError as error:
        # What a lazy client raises while it cannot connect; the SDK has no class for it.
        if not str(error).startswith("Failed client connect"):
            raise
        raise unavailable("there is no connection") from error


def as_problem(error: RPCError) -> Problem:
    """The problem that stands for this failure of a call."""
    if error.status == RPCStatusCode.RESOURCE_EXHAUSTED:
        return Problem(TEMPORAL_OVERLOADED, "Temporal is overloaded. Send the same request again later.")
    if error.status not in _TRANSIENT:
        # A missing namespace, search attribute or permission: no retry of a client will repair it.
        _log.error("Temporal refuses the calls of this API (%s): %s", error.status.name, error.message)
        return Problem(
            TEMPORAL_UNAVAILABLE,
            "Temporal refuses the calls of this API; an operator has to repair that. Repeating is safe.",
        )
    return unavailable("it does not respond")


def unavailable(what: str) -> Problem:
    """The problem of a Temporal that cannot be reached: the client may safely send its request again."""
    return Problem(
        TEMPORAL_UNAVAILABLE,
        f"Temporal cannot be reached: {what}. Send the same request again; nothing is done twice.",
    )


def is_unknown_workflow(error: RPCError) -> bool:
    """Whether Temporal says that there is no such workflow (a missing namespace has the same status)."""
    return error.status == RPCStatusCode.NOT_FOUND and not any(
        detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details
    )
