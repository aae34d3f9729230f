"""Updates of a running checkout: sent under an id, waited for in bounds, and refused in words that help."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from api.http.idempotency import UpdateKey
from api.http.problems import IDEMPOTENCY_KEY_REUSED, WORKER_UNAVAILABLE, Kind, Problem
from api.temporal.calls import CALL_SECONDS, answered_within, is_unknown_workflow
from api.temporal.snapshots import CheckoutHandle, Snapshot, final_view
from api.temporal.update_limits import limit_problem, send_once
from checkout.domain.messages import CheckoutRequest
from checkout.domain.resume import CompletedUpdate, digest_of

#: Temporal's own word for: the workflow took the update, and closed without answering it.
_CLOSED_MEANWHILE: Final = "AcceptedUpdateCompletedWorkflow"

#: Nothing was done, and the same may be sent again: Temporal's own word for a worker that was handed the update and
#: died, so that the next one's task went without it (https://github.com/temporalio/temporal/pull/5169); and the
#: workflow's for a run whose place another takes in a moment.
_ASK_AGAIN: Final = frozenset({"UnprocessedUpdate", "BetweenRuns"})

#: The workflow's word for: an earlier run of it has answered another command under this id.
_ANOTHER_BODY: Final = "UpdateIdReused"


@dataclass(frozen=True)
class Refusal:
    """The problem that stands for one type of the workflow's errors; ``cites`` adds what the workflow says of it."""

    kind: Kind
    detail: str
    cites: bool = False

    def problem(self, message: str) -> Problem:
        """The problem for an error with this message."""
        return Problem(self.kind, f"{self.detail} ({message}.)" if self.cites else self.detail)


@dataclass(frozen=True)
class Command:
    """One update: which, with what, by which press, for how long, and what each of its errors means."""

    update: Any
    argument: Any
    press: UpdateKey
    seconds: float
    refusals: Mapping[str, Refusal]


async def send(command: Command, client: Client, handle: CheckoutHandle) -> Snapshot | None:
    """The view after the update, or None when the workflow closed before it could answer: the result tells then.

    Raises:
        Problem: what the refusals say; 422 when the client's key stands for another body; 429 or 409 when Temporal
            takes no more updates of this workflow; 503 when nobody responds in time, or Temporal is away.
    """
    try:
        async with answered_within(command.seconds):
            known = await _answered_before(command, client, handle)
            snapshot = await _execute(command, client, handle)
            if snapshot is None and known is not None:
                return await _answer_again(command, known, handle)
            return snapshot
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise Problem(
            WORKER_UNAVAILABLE,
            "Nobody has answered this yet; it may still take effect. Asking again is safe: nothing is done twice.",
        ) from error


async def _execute(command: Command, client: Client, handle: CheckoutHandle) -> Snapshot | None:
    update, argument, update_id = command.update, command.argument, command.press.update_id
    try:
        view = await send_once(client, handle.id, update.__name__, argument, update_id)
        return Snapshot(view or await handle.execute_update(update, argument, id=update_id))
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        if not isinstance(cause, ApplicationError):
            raise
        if problem := _problem(command, cause.type or "", cause.message):
            raise problem from error
        if cause.type != _CLOSED_MEANWHILE:
            raise
    except RPCError as error:
        if problem := limit_problem(error):
            raise problem from error
        if not is_unknown_workflow(error):
            raise
    return None


def _problem(command: Command, error_type: str, message: str) -> Problem | None:
    if refusal := command.refusals.get(error_type):
        return refusal.problem(message)
    if error_type in _ASK_AGAIN:
        return Problem(WORKER_UNAVAILABLE, "No worker has taken this; nothing of it was done. Ask again.")
    if error_type == _ANOTHER_BODY:
        return _another_body()
    return None


def _another_body() -> Problem:
    return Problem(IDEMPOTENCY_KEY_REUSED, "This key stands for a request with another body. Take a new key.")


async def _answer_again(command: Command, known: CompletedUpdate, handle: CheckoutHandle) -> Snapshot:
    """What an earlier run of a workflow that has ended had answered."""
    if problem := _problem(command, known.error_type or "", known.error):
        raise problem
    return Snapshot(await final_view(handle))


async def _answered_before(command: Command, client: Client, handle: CheckoutHandle) -> CompletedUpdate | None:
    """What an earlier run of the workflow has answered to this press.

    Temporal returns the known outcome for an id it knows, whatever is asked; so what was asked is read.

    Raises:
        Problem: 422 when something else was asked under this id, in this run or in an earlier one.
    """
    known: CompletedUpdate | None = None
    if not command.press.is_keyed:
        return known
    async for event in handle.fetch_history_events(rpc_timeout=timedelta(seconds=CALL_SECONDS)):
        if event.HasField("workflow_execution_started_event_attributes"):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            [request] = await client.data_converter.decode(payloads, [CheckoutRequest])
            known = request.resume.completed_updates.get(command.press.update_id) if request.resume else None
            if known and known.digest != digest_of(command.argument):
                raise _another_body()
        accepted = event.workflow_execution_update_accepted_event_attributes.accepted_request
        if accepted.meta.update_id != command.press.update_id:
            continue
        asked = await client.data_converter.decode(accepted.input.args.payloads, [type(command.argument)])
        if asked != [command.argument]:
            raise _another_body()
    return known
