"""What support asks of Temporal: lists, a checkout with its history, and actions on one that needs a person."""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
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

from api.admission.presses import Button, Presses
from api.http import problems
from api.http.cursors import Place
from api.http.idempotency import UpdateKey
from api.http.problems import Kind, Problem
from api.storefront.service import TOO_LATE, too_late
from api.support.overview import Overviews
from api.support.schemas import ListQuery
from api.temporal.calls import CALL_SECONDS, answered_within
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
from api.temporal.updates import Command, Refusal, send
from api.temporal.visibility import CheckoutList
from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment
from checkout.domain.states import CheckoutStatus
from checkout.domain.view import TimelineEntry
from workflows.checkout import CheckoutWorkflow

_log = logging.getLogger("checkout.api")

#: How long an action may take: before it is carried out, the provider is asked what became of the payment.
ACTION_SECONDS: Final = 25.0
#: How long a list may take: it is made of several looks at the visibility store.
LIST_SECONDS: Final = 15.0

_NEXT: Final = "Nothing was charged. The provider is asked on; try again later, resolve it by hand, or cancel."
_REFUSALS: Final = {
    "NotStuck": Refusal(problems.NOT_STUCK, "The payment is not stuck (any more); look at the checkout again."),
    "ActionUnderWay": Refusal(problems.ACTION_UNDER_WAY, "Somebody has just ordered something else; look again soon."),
    "OutcomeStillUnknown": Refusal(problems.OUTCOME_STILL_UNKNOWN, _NEXT),
    "Contradicted": Refusal(problems.CONTRADICTED_BY_PROVIDER, "The provider is believed.", cites=True),
}
_WITHOUT_RETURN: Final = frozenset({CheckoutStatus.CONFIRMED, CheckoutStatus.REJECTED})


@dataclass(frozen=True)
class SupportDetail:
    """Everything about one checkout; no timeline while no worker answers. ``workflow`` is its state with Temporal."""

    snapshot: Snapshot
    timeline: list[TimelineEntry] | None
    workflow: str
    temporal_ui_url: str | None

    @property
    def can(self) -> tuple[str, ...]:
        """What support may do now."""
        status = self.snapshot.view.status
        if self.workflow != "running" or not status.can_be_cancelled:
            return ()
        return ("retry_payment", "resolve_payment", "cancel") if status == CheckoutStatus.PAYMENT_STUCK else ("cancel",)


class SupportService:
    """Everything the support routes ask of Temporal, over one client.

    Each method raises a `Problem` of 503 while Temporal is away, of 404 when there is no such checkout; each action one
    of 429 when the same agent was just refused it too often.
    """

    def __init__(self, client: Client, overviews: Overviews, temporal_ui_url: str | None) -> None:
        self._client = client
        self._list = CheckoutList(client)
        self._overviews = overviews
        self._ui_url = temporal_ui_url
        self._presses = Presses(time.monotonic)

    async def find(self, wanted: ListQuery, after: Place | None) -> tuple[list[WorkflowExecution], int | None]:
        """A page and one more, newest first; and what the last reconciliation could not put right."""
        async with answered_within(LIST_SECONDS):
            found, overview = await asyncio.gather(self._list.newest(wanted, after), self._overviews.latest())
            return found, overview.mismatches

    async def look_up(self, checkout_id: str) -> SupportDetail:
        """Whoever's checkout, whatever became of its workflow."""
        async with answered_within(CALL_SECONDS):
            description = await describe_checkout(self._client, checkout_id)
            handle = handle_of(self._client, checkout_id)
            snapshot = await _view(handle, description)
            # Asked for after the view, so that it tells of all that the view shows.
            timeline = None if snapshot.is_stale else await _timeline(handle)
        link = self.link(checkout_id, description.run_id)
        return SupportDetail(snapshot, timeline, state_of(description.status), link)

    def link(self, checkout_id: str, run_id: str) -> str | None:
        """The page of the run in Temporal's web UI, if it is known where that is."""
        if self._ui_url is None:
            return None
        path = [quote(part, safe="") for part in (self._client.namespace, "workflows", checkout_id, run_id)]
        return f"{self._ui_url.rstrip('/')}/namespaces/{'/'.join(path)}"

    async def retry_payment(self, checkout_id: str, order: RetryPayment, press: UpdateKey) -> Snapshot:
        """Have the stuck payment charged again, once it is certain that nothing was charged.

        Raises:
            Problem: 409 when it is not stuck, something else is under way, or its outcome stays unknown.
        """
        async with self._presses.admitted(Button(order.actor, "retry", checkout_id), press):
            return await self._act(checkout_id, CheckoutWorkflow.retry_payment, order, press)

    async def resolve_payment(self, checkout_id: str, order: ResolvePayment, press: UpdateKey) -> Snapshot:
        """Have the stuck payment end as a person says.

        Raises:
            Problem: 409 as in `retry_payment`, or when the provider says otherwise.
        """
        async with self._presses.admitted(Button(order.actor, "resolve", checkout_id), press):
            return await self._act(checkout_id, CheckoutWorkflow.resolve_payment, order, press)

    async def cancel(self, checkout_id: str, order: Cancel, press: UpdateKey) -> Snapshot:
        """Have the checkout undone, and answer once that is certain to happen.

        Raises:
            Problem: 409 when it is confirmed or was rejected, or nothing works on it any more.
        """
        async with self._presses.admitted(Button(order.actor, "cancel", checkout_id), press):
            return await self._cancel(checkout_id, order, press)

    async def _cancel(self, checkout_id: str, order: Cancel, press: UpdateKey) -> Snapshot:
        async with answered_within(CALL_SECONDS):
            description = await describe_checkout(self._client, checkout_id)
        handle = handle_of(self._client, checkout_id)
        cancel = Command(CheckoutWorkflow.cancel, order, press, ACTION_SECONDS, TOO_LATE)
        snapshot = await send(cancel, self._client, handle)
        if snapshot is None:
            snapshot = await self._ending(handle, description, problems.NOT_CANCELLABLE)
        if snapshot.view.status in _WITHOUT_RETURN:
            raise too_late(snapshot.view.status)
        return snapshot

    async def _act(
        self, checkout_id: str, update: Any, order: RetryPayment | ResolvePayment, press: UpdateKey
    ) -> Snapshot:
        async with answered_within(CALL_SECONDS):
            description = await describe_checkout(self._client, checkout_id)
        handle = handle_of(self._client, checkout_id)
        # Sent to one that has ended, too: Temporal still knows the outcome of an update with this id.
        snapshot = await send(Command(update, order, press, ACTION_SECONDS, _REFUSALS), self._client, handle)
        if snapshot is None:
            ended = await self._ending(handle, description, problems.NOT_STUCK)
            raise Problem(problems.NOT_STUCK, f"The checkout is {ended.view.status}; its payment is not stuck.")
        return snapshot

    async def _ending(self, handle: CheckoutHandle, description: WorkflowExecutionDescription, kind: Kind) -> Snapshot:
        """How a checkout ended whose workflow has closed.

        Raises:
            Problem: of this kind, when it closed without an ending.
        """
        try:
            async with answered_within(CALL_SECONDS):
                return Snapshot(await final_view(handle))
        except Problem as problem:
            if problem.kind != problems.CHECKOUT_FAILED:
                raise
            state = state_of(description.status)
            raise Problem(
                kind,
                f"Nothing works on this checkout any more (its workflow: {state}). The next reconciliation undoes what "
                "it had begun; `checkout reconcile` does so at once.",
            ) from problem


def state_of(status: WorkflowExecutionStatus | None) -> str:
    """Temporal's word for the state of a workflow, as the API writes it."""
    return (status or WorkflowExecutionStatus.RUNNING).name.lower()


async def _view(handle: CheckoutHandle, description: WorkflowExecutionDescription) -> Snapshot:
    if description.status == WorkflowExecutionStatus.COMPLETED:
        return Snapshot(await final_view(handle))
    return await last_known(handle, description)


async def _timeline(handle: CheckoutHandle) -> list[TimelineEntry] | None:
    try:
        return await handle.query(CheckoutWorkflow.timeline, rpc_timeout=timedelta(seconds=QUERY_SECONDS))
    except WorkflowQueryFailedError as error:
        _log.error("the timeline of %s could not be asked for, which is a bug: %s", handle.id, error.message)
    except RPCError as error:
        if error.status not in NO_WORKER:
            raise
    return None
