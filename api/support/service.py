"""What the support routes need of Temporal: lists, a checkout with its timeline, and actions on one that is stuck."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError

from api.admission.update_rate_limits import LimitedAction, UpdateRateLimiter
from api.http import problems
from api.http.idempotency import UpdateKey
from api.http.problems import Problem, ProblemKind
from api.support.cursors import CursorPosition
from api.support.overview import Overviews
from api.support.schemas import ListQuery, SupportAction, WorkflowState
from api.support.visibility import CheckoutList
from api.temporal import actions
from api.temporal.calls import CALL_SECONDS, response_within
from api.temporal.snapshots import (
    NO_WORKER,
    QUERY_SECONDS,
    CheckoutHandle,
    Snapshot,
    describe_checkout,
    final_view,
    handle_of,
    last_known,
)
from api.temporal.updates import Command, UpdateProblem, send
from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment, UpdateRefusal
from checkout.domain.states import CheckoutStatus
from checkout.domain.view import TimelineEntry
from workflows.checkout import CheckoutWorkflow

_log = logging.getLogger("checkout.api")

#: How long an action may take: before it is carried out, the provider is asked for the outcome of the payment.
ACTION_SECONDS: Final = 25.0
#: How long a list may take: it needs several calls of the visibility store.
LIST_SECONDS: Final = 15.0

_STILL_UNKNOWN: Final = (
    "Nothing was charged. The checkout keeps asking the provider; try again later, resolve it by hand, or cancel."
)
_ACTION_PROBLEMS: Final[Mapping[str, UpdateProblem]] = {
    UpdateRefusal.NOT_STUCK: UpdateProblem(
        problems.NOT_STUCK, "The payment is not stuck, or no longer; look at the checkout again."
    ),
    UpdateRefusal.ACTION_UNDER_WAY: UpdateProblem(
        problems.ACTION_UNDER_WAY, "Another action on this payment is in progress; look at the checkout again soon."
    ),
    UpdateRefusal.OUTCOME_STILL_UNKNOWN: UpdateProblem(problems.OUTCOME_STILL_UNKNOWN, _STILL_UNKNOWN),
    UpdateRefusal.CONTRADICTED: UpdateProblem(
        problems.CONTRADICTED_BY_PROVIDER, "The provider says otherwise, and the provider is believed.", cites=True
    ),
}


@dataclass(frozen=True)
class SupportDetail:
    """Everything about one checkout; no timeline while no worker responds. ``workflow`` is its state in Temporal."""

    snapshot: Snapshot
    timeline: list[TimelineEntry] | None
    workflow: WorkflowState
    temporal_ui_url: str | None

    @property
    def can(self) -> tuple[SupportAction, ...]:
        """What support may do now."""
        status = self.snapshot.view.status
        if self.workflow != WorkflowState.RUNNING or not status.can_be_cancelled:
            return ()
        return tuple(SupportAction) if status == CheckoutStatus.PAYMENT_STUCK else (SupportAction.CANCEL,)


class SupportService:
    """Everything that the support routes need of Temporal, with one client.

    Each method raises a `Problem` of 503 while Temporal cannot be reached, of 404 when there is no such checkout; each
    action one of 429 when it was refused too often to the same agent.
    """

    def __init__(self, client: Client, overviews: Overviews, temporal_ui_url: str | None) -> None:
        self._client = client
        self._list = CheckoutList(client)
        self._overviews = overviews
        self._ui_url = temporal_ui_url
        self._limiter = UpdateRateLimiter(time.monotonic)

    async def find(self, wanted: ListQuery, after: CursorPosition | None) -> tuple[list[WorkflowExecution], int | None]:
        """A page and one more, newest first; and how many mismatches the last reconciliation could not repair."""
        async with response_within(LIST_SECONDS):
            found, overview = await asyncio.gather(self._list.newest(wanted, after), self._overviews.latest())
            return found, overview.mismatches

    async def look_up(self, checkout_id: str) -> SupportDetail:
        """A checkout of any owner, whatever the state of its workflow."""
        async with response_within(CALL_SECONDS):
            description = await describe_checkout(self._client, checkout_id)
            handle = handle_of(self._client, checkout_id)
            snapshot = await _view(handle, description)
            # Queried after the view, so that it has everything that the view shows.
            timeline = None if snapshot.is_stale else await _timeline(handle)
        link = self.link(checkout_id, description.run_id)
        return SupportDetail(snapshot, timeline, state_of(description.status), link)

    def link(self, checkout_id: str, run_id: str) -> str | None:
        """The page of the run in Temporal's web UI; None when the UI's address is not set."""
        if self._ui_url is None:
            return None
        path = [quote(part, safe="") for part in (self._client.namespace, "workflows", checkout_id, run_id)]
        return f"{self._ui_url.rstrip('/')}/namespaces/{'/'.join(path)}"

    async def retry_payment(self, checkout_id: str, command: RetryPayment, key: UpdateKey) -> Snapshot:
        """Have the stuck payment charged again, once it is certain that nothing was charged.

        Raises:
            Problem: 409 when it is not stuck, another action is in progress, or its outcome stays unknown.
        """
        async with self._limiter.limited(LimitedAction(command.actor, "retry", checkout_id), key):
            return await self._act(checkout_id, CheckoutWorkflow.retry_payment, command, key)

    async def resolve_payment(self, checkout_id: str, command: ResolvePayment, key: UpdateKey) -> Snapshot:
        """Have the stuck payment end as a person says.

        Raises:
            Problem: 409 as in `retry_payment`, or when the provider contradicts it.
        """
        async with self._limiter.limited(LimitedAction(command.actor, "resolve", checkout_id), key):
            return await self._act(checkout_id, CheckoutWorkflow.resolve_payment, command, key)

    async def cancel(self, checkout_id: str, command: Cancel, key: UpdateKey) -> Snapshot:
        """Have the checkout undone; returns once that is certain to happen.

        Raises:
            Problem: 409 when it is confirmed or was rejected, or its workflow has closed without a result.
        """
        async with self._limiter.limited(LimitedAction(command.actor, "cancel", checkout_id), key):
            return await self._cancel(checkout_id, command, key)

    async def _cancel(self, checkout_id: str, command: Cancel, key: UpdateKey) -> Snapshot:
        async with response_within(CALL_SECONDS):
            description = await describe_checkout(self._client, checkout_id)
        handle = handle_of(self._client, checkout_id)
        update = actions.cancel_command(command, key, ACTION_SECONDS)
        read_end = partial(_ending, handle, description, problems.NOT_CANCELLABLE)
        return await actions.cancel(update, self._client, handle, read_end)

    async def _act(
        self, checkout_id: str, update: Any, command: RetryPayment | ResolvePayment, key: UpdateKey
    ) -> Snapshot:
        async with response_within(CALL_SECONDS):
            description = await describe_checkout(self._client, checkout_id)
        handle = handle_of(self._client, checkout_id)
        # Sent to a checkout that has ended, too: Temporal still knows the outcome of an update with this id.
        snapshot = await send(Command(update, command, key, ACTION_SECONDS, _ACTION_PROBLEMS), self._client, handle)
        if snapshot is None:
            ended = await _ending(handle, description, problems.NOT_STUCK)
            raise Problem(problems.NOT_STUCK, f"The checkout is {ended.view.status}; its payment is not stuck.")
        return snapshot


def state_of(status: WorkflowExecutionStatus | None) -> WorkflowState:
    """The state of a workflow; Temporal lists one without a state while it is running."""
    return WorkflowState((status or WorkflowExecutionStatus.RUNNING).name.lower())


async def _view(handle: CheckoutHandle, description: WorkflowExecutionDescription) -> Snapshot:
    if description.status == WorkflowExecutionStatus.COMPLETED:
        return Snapshot(await final_view(handle))
    return await last_known(handle, description)


async def _timeline(handle: CheckoutHandle) -> list[TimelineEntry] | None:
    try:
        return await handle.query(CheckoutWorkflow.timeline, rpc_timeout=timedelta(seconds=QUERY_SECONDS))
    except WorkflowQueryFailedError as error:
        _log.error("the query for the timeline of %s failed, which is a bug: %s", handle.id, error.message)
    except RPCError as error:
        if error.status not in NO_WORKER:
            raise
    return None


async def _ending(handle: CheckoutHandle, description: WorkflowExecutionDescription, kind: ProblemKind) -> Snapshot:
    """How a checkout ended whose workflow has closed.

    Raises:
        Problem: of this kind, when the workflow closed without a result.
    """
    try:
        return await actions.final_snapshot(handle)
    except Problem as problem:
        if problem.kind != problems.CHECKOUT_FAILED:
            raise
        raise Problem(
            kind,
            f"The workflow of this checkout is {state_of(description.status)}. The next reconciliation undoes what it "
            "had begun; run `checkout reconcile` to do so at once.",
        ) from problem
