"""What customers and support do to a running checkout in the same way: have it cancelled, and read how it ended."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from temporalio.client import Client

from api.http.idempotency import UpdateKey
from api.http.problems import NOT_CANCELLABLE, Problem
from api.temporal.calls import CALL_SECONDS, response_within
from api.temporal.snapshots import CheckoutHandle, Snapshot, final_view
from api.temporal.updates import Command, UpdateProblem, send
from checkout.domain.commands import Cancel, UpdateRefusal
from checkout.domain.states import CheckoutStatus
from workflows.checkout import CheckoutWorkflow

#: The problem for each of the workflow's errors, by its type.
_CANCEL_PROBLEMS: Final[Mapping[str, UpdateProblem]] = {
    UpdateRefusal.NOT_CANCELLABLE: UpdateProblem(
        NOT_CANCELLABLE, "The order is confirmed, or is being confirmed; it is too late to cancel."
    )
}
_NOT_UNDONE: Final = frozenset({CheckoutStatus.CONFIRMED, CheckoutStatus.REJECTED})


def cancel_command(command: Cancel, key: UpdateKey, seconds: float) -> Command:
    """The update that has a checkout undone."""
    return Command(CheckoutWorkflow.cancel, command, key, seconds, _CANCEL_PROBLEMS)


async def cancel(
    command: Command, client: Client, handle: CheckoutHandle, read_end: Callable[[], Awaitable[Snapshot]]
) -> Snapshot:
    """Have the checkout undone; ``read_end`` reads how it ended when its workflow closes before that.

    Raises:
        Problem: as `send`, as ``read_end``, or 409 when it is confirmed or was rejected.
    """
    return refuse_unless_undone(await send(command, client, handle) or await read_end())


def refuse_unless_undone(snapshot: Snapshot) -> Snapshot:
    """The same snapshot.

    Raises:
        Problem: 409 when the checkout is confirmed or was rejected.
    """
    status = snapshot.view.status
    if status in _NOT_UNDONE:
        raise Problem(NOT_CANCELLABLE, f"The checkout is {status}; there is nothing to cancel.")
    return snapshot


async def final_snapshot(handle: CheckoutHandle) -> Snapshot:
    """How a checkout ended whose workflow has closed.

    Raises:
        Problem: 500 when it closed without a result; 503 when Temporal cannot be reached.
    """
    async with response_within(CALL_SECONDS):
        return Snapshot(await final_view(handle))
