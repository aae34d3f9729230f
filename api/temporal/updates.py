"""Updates of a running checkout: sent under an id, waited for with a deadline, their errors turned into problems."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from api.http.idempotency import UpdateKey
from api.http.problems import IDEMPOTENCY_KEY_REUSED, WORKER_UNAVAILABLE, Problem, ProblemKind
from api.temporal.calls import CALL_SECONDS, is_unknown_workflow, response_within
from api.temporal.snapshots import CheckoutHandle, Snapshot, final_view
from api.temporal.update_limits import limit_problem, send_once
from checkout.domain.commands import UpdateRefusal
from checkout.domain.messages import CheckoutRequest
from checkout.domain.resume import CompletedUpdate, digest_of

#: Temporal's error type for an update that the workflow accepted and closed without completing.
_CLOSED_MEANWHILE: Final = "AcceptedUpdateCompletedWorkflow"

#: Nothing was done, and the same may be sent again. Temporal's error type when a worker got the update and died, so
#: that the next worker's task came without it (https://github.com/temporalio/temporal/pull/5169); and the workflow's,
#: when it is about to continue as new.
_SEND_AGAIN: Final = frozenset({"UnprocessedUpdate", UpdateRefusal.BETWEEN_RUNS})


@dataclass(frozen=True)
class UpdateProblem:
    """The problem for one type of the workflow's errors; ``cites`` adds the workflow's own message to the detail."""

    kind: ProblemKind
    detail: str
    cites: bool = False

    def with_message(self, message: str) -> Problem:
        """The problem of an error with this message."""
        return Problem(self.kind, f"{self.detail} ({message}.)" if self.cites else self.detail)


@dataclass(frozen=True)
class Command:
    """One update: which, its argument, its key, how long it is waited for, and the problem for each of its errors."""

    update: Any
    argument: Any
    key: UpdateKey
    seconds: float
    problems: Mapping[str, UpdateProblem]


async def send(command: Command, client: Client, handle: CheckoutHandle) -> Snapshot | None:
    """The view after the update; None when the workflow closed before it completed the update.

    Raises:
        Problem: as the command says; 422 when the client's key was used with another body; 429 or 409 when Temporal
            accepts no more updates of this workflow; 503 when no worker responds in time, or Temporal cannot be
            reached.
    """
    try:
        async with response_within(command.seconds):
            known = await _earlier_result(command, client, handle)
            snapshot = await _execute(command, client, handle)
            if snapshot is None and known is not None:
                return await _repeat(command, known, handle)
            return snapshot
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise Problem(
            WORKER_UNAVAILABLE,
            "No worker has responded in time; the request may still take effect. Sending it again is safe: nothing is "
            "done twice.",
        ) from error


async def _execute(command: Command, client: Client, handle: CheckoutHandle) -> Snapshot | None:
    update, argument, update_id = command.update, command.argument, command.key.update_id
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
    if known := command.problems.get(error_type):
        return known.with_message(message)
    if error_type in _SEND_AGAIN:
        return Problem(WORKER_UNAVAILABLE, "No worker has accepted the request; nothing was done. Send it again.")
    if error_type == UpdateRefusal.UPDATE_ID_REUSED:
        return _another_body()
    return None


def _another_body() -> Problem:
    return Problem(IDEMPOTENCY_KEY_REUSED, "This key was used for a request with another body. Use a new key.")


async def _repeat(command: Command, known: CompletedUpdate, handle: CheckoutHandle) -> Snapshot:
    """The same result as in an earlier run, of a workflow that has ended."""
    if problem := _problem(command, known.error_type or "", known.error):
        raise problem
    return Snapshot(await final_view(handle))


async def _earlier_result(command: Command, client: Client, handle: CheckoutHandle) -> CompletedUpdate | None:
    """The result of the same update in an earlier run of the workflow, if there was one.

    Temporal returns the known outcome for an id that it knows, whatever the argument is; so the argument is read.

    Raises:
        Problem: 422 when this id was used with another argument, in this run or in an earlier one.
    """
    known: CompletedUpdate | None = None
    if not command.key.is_keyed:
        return known
    async for event in handle.fetch_history_events(rpc_timeout=timedelta(seconds=CALL_SECONDS)):
        if event.HasField("workflow_execution_started_event_attributes"):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            [request] = await client.data_converter.decode(payloads, [CheckoutRequest])
            known = request.resume.completed_updates.get(command.key.update_id) if request.resume else None
            if known and known.digest != digest_of(command.argument):
                raise _another_body()
        accepted = event.workflow_execution_update_accepted_event_attributes.accepted_request
        if accepted.meta.update_id != command.key.update_id:
            continue
        argument = await client.data_converter.decode(accepted.input.args.payloads, [type(command.argument)])
        if argument != [command.argument]:
            raise _another_body()
    return known
