"""Updates of a running checkout: sent under an id, waited for in bounds, and refused in words that help."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from api.errors import IDEMPOTENCY_KEY_REUSED, WORKER_UNAVAILABLE, Kind, Problem
from api.idempotency import Press
from api.snapshots import CheckoutHandle, Snapshot
from api.temporal_calls import CALL_SECONDS, answered_within, is_unknown_workflow

#: Temporal's own word for: the workflow took the update, and closed without answering it.
_CLOSED_MEANWHILE: Final = "AcceptedUpdateCompletedWorkflow"

#: And for: the worker that was handed the update died, and the next one's task went without it. Nothing of it is
#: written down (https://github.com/temporalio/temporal/pull/5169).
_LOST_WITH_ITS_WORKER: Final = "UnprocessedUpdate"


@dataclass(frozen=True)
class Refusal:
    """The problem that stands for one type of the workflow's errors; ``cites`` adds what the workflow says of it."""

    kind: Kind
    detail: str
    cites: bool = False

    def problem(self, error: ApplicationError) -> Problem:
        """The problem for this very error."""
        return Problem(self.kind, f"{self.detail} ({error.message}.)" if self.cites else self.detail)


@dataclass(frozen=True)
class Command:
    """One update: which, with what, by which press, for how long, and what each of its errors means."""

    update: Any
    argument: Any
    press: Press
    seconds: float
    refusals: Mapping[str, Refusal]


async def send(command: Command, handle: CheckoutHandle) -> Snapshot | None:
    """The view after the update, or None when the workflow closed before it could answer: the result tells then.

    Raises:
        Problem: what the refusals say; 422 when the client's key stands for another body; 503 when nobody answers in
            time, or Temporal is away.
    """
    try:
        async with answered_within(command.seconds):
            await _refuse_another_body(command, handle)
            return await _execute(command, handle)
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise Problem(
            WORKER_UNAVAILABLE,
            "Nobody has answered this yet; it may still take effect. Asking again is safe: nothing is done twice.",
        ) from error


async def _execute(command: Command, handle: CheckoutHandle) -> Snapshot | None:
    try:
        return Snapshot(await handle.execute_update(command.update, command.argument, id=command.press.update_id))
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        if not isinstance(cause, ApplicationError):
            raise
        refusal = command.refusals.get(cause.type or "")
        if refusal:
            raise refusal.problem(cause) from error
        if cause.type == _LOST_WITH_ITS_WORKER:
            raise Problem(WORKER_UNAVAILABLE, "No worker has taken this; nothing of it was done. Ask again.") from error
        if cause.type != _CLOSED_MEANWHILE:
            raise
    except RPCError as error:
        if not is_unknown_workflow(error):
            raise
    return None


async def _refuse_another_body(command: Command, handle: CheckoutHandle) -> None:
    """Temporal answers an id that it knows with the outcome it knows, whatever is asked; so what was asked is read."""
    if not command.press.is_keyed:
        return
    async for event in handle.fetch_history_events(rpc_timeout=timedelta(seconds=CALL_SECONDS)):
        accepted = event.workflow_execution_update_accepted_event_attributes.accepted_request
        if accepted.meta.update_id != command.press.update_id:
            continue
        asked = await DataConverter.default.decode(accepted.input.args.payloads, [type(command.argument)])
        if asked != [command.argument]:
            raise Problem(IDEMPOTENCY_KEY_REUSED, "This key stands for a request with another body. Take a new key.")
