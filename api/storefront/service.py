"""The desk between HTTP and Temporal: accepts checkouts, looks them up, cancels them. It keeps nothing itself."""

import time
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from api.admission.presses import Button, Presses
from api.http.idempotency import Ownership, UpdateKey
from api.http.problems import IDEMPOTENCY_KEY_REUSED, NO_PAYMENT_AWAITED, NOT_CANCELLABLE, UNKNOWN_CHECKOUT, Problem
from api.temporal.calls import CALL_SECONDS, answered_within
from api.temporal.snapshots import CheckoutHandle, Snapshot, describe_checkout, final_view, handle_of, take_snapshot
from api.temporal.ui_texts import static_details, static_summary
from api.temporal.updates import Command, Refusal, send
from api.temporal.waiting import Until, Waiting
from checkout.domain.commands import Cancel, SubmitPayment
from checkout.domain.messages import CheckoutRequest
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.domain.view import view_at_start
from checkout.temporal.client import CHECKOUT_STATUS, CUSTOMER_ID, PAYMENT_STATUS, TASK_QUEUE
from workflows.checkout import CheckoutWorkflow

#: How long a cancel may take to be certain before the client is told to ask again.
CANCEL_SECONDS: Final = 15.0

#: The same for another payment method, whose taking is not waited for.
SUBMIT_SECONDS: Final = 10.0

#: One id for every press of the button, so that a second press joins the first.
CANCEL_UPDATE_ID: Final = "cancel-by-customer"

#: What the workflow's errors mean, by their type.
TOO_LATE: Final = {
    "NotCancellable": Refusal(NOT_CANCELLABLE, "The order is confirmed, or about to be: too late to cancel.")
}
_NOT_YOUR_TURN: Final = {
    "NotAwaitingPayment": Refusal(NO_PAYMENT_AWAITED, "It is not the customer's turn to pay; the status tells whose.")
}

_CALL_TIMEOUT: Final = timedelta(seconds=CALL_SECONDS)


@dataclass(frozen=True)
class Accepted:
    """A checkout that is with Temporal now; ``is_replay`` when an earlier request had started it."""

    snapshot: Snapshot
    is_replay: bool


class CheckoutService:
    """Everything the storefront's routes ask of Temporal, over one client.

    Each method raises a `Problem` of 503 while Temporal is away; nothing is lost by asking again.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting = Waiting()
        self._presses = Presses(time.monotonic)

    async def accept(self, request: CheckoutRequest, claim: Ownership) -> Accepted:
        """Start the checkout, or find the one that was started with the same id.

        Raises:
            Problem: 422 when that one was asked for with another body; 500 when it has failed.
        """
        async with answered_within(CALL_SECONDS):
            try:
                await self._start(request, claim)
            except WorkflowAlreadyStartedError:
                return await self._find_started(request.checkout_id, claim)
        return Accepted(Snapshot(view_at_start(request)), is_replay=False)

    async def look_up(self, checkout_id: str, owner: str) -> Snapshot:
        """The checkout as it is now.

        Raises:
            Problem: 404 when there is none, or it is another's; 500 when it has failed.
        """
        async with answered_within(CALL_SECONDS):
            description = await self._describe_owned(checkout_id, owner)
            return await take_snapshot(self._handle(checkout_id), description)

    async def cancel(self, checkout_id: str, owner: str) -> Snapshot:
        """Have the checkout undone, and answer once that is certain to happen.

        Raises:
            Problem: 404 as in `look_up`; 409 when it is confirmed or was rejected; 429 when that was just said too
                often; 503 when no worker responds.
        """
        async with self._presses.admitted(Button(owner, "cancel", checkout_id), UpdateKey(CANCEL_UPDATE_ID)):
            return await self._cancel(checkout_id, owner)

    async def _cancel(self, checkout_id: str, owner: str) -> Snapshot:
        handle = self._handle(checkout_id)
        async with answered_within(CALL_SECONDS):
            description = await self._describe_owned(checkout_id, owner)
        snapshot = None
        if description.status == WorkflowExecutionStatus.RUNNING:
            cancel = Command(CheckoutWorkflow.cancel, Cancel(), UpdateKey(CANCEL_UPDATE_ID), CANCEL_SECONDS, TOO_LATE)
            snapshot = await send(cancel, self._client, handle)
        if snapshot is None:
            async with answered_within(CALL_SECONDS):
                snapshot = Snapshot(await final_view(handle))
        if snapshot.view.status in (CheckoutStatus.CONFIRMED, CheckoutStatus.REJECTED):
            raise too_late(snapshot.view.status)
        return snapshot

    async def submit_payment(self, checkout_id: str, owner: str, payment_method: str, press: UpdateKey) -> Snapshot:
        """The customer pays in another way.

        Raises:
            Problem: 404 as in `look_up`; 409 when no payment is awaited; 429 when that was just said too often; 503
                when no worker responds.
        """
        async with self._presses.admitted(Button(owner, "payment", checkout_id), press):
            return await self._submit(checkout_id, owner, payment_method, press)

    async def _submit(self, checkout_id: str, owner: str, payment_method: str, press: UpdateKey) -> Snapshot:
        handle = self._handle(checkout_id)
        async with answered_within(CALL_SECONDS):
            await self._describe_owned(checkout_id, owner)
        # Sent to one that has ended, too: Temporal still knows the outcome of an update with this id.
        submit = Command(
            CheckoutWorkflow.submit_payment, SubmitPayment(payment_method), press, SUBMIT_SECONDS, _NOT_YOUR_TURN
        )
        snapshot = await send(submit, self._client, handle)
        if snapshot is None:
            raise Problem(NO_PAYMENT_AWAITED, "The checkout has ended.")
        return snapshot

    async def wait(
        self, until: Until, latest: Snapshot, seconds: float, hang_up: Coroutine[Any, Any, None]
    ) -> Snapshot:
        """Hold the answer until the checkout has moved on; see `Waiting.until`."""
        return await self._waiting.until(until, self._handle(latest.view.id), latest, seconds, hang_up)

    async def _start(self, request: CheckoutRequest, claim: Ownership) -> None:
        await self._client.start_workflow(
            CheckoutWorkflow.run,
            request,
            id=request.checkout_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            memo=asdict(claim),
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(CHECKOUT_STATUS, CheckoutStatus.PROCESSING),
                    SearchAttributePair(PAYMENT_STATUS, PaymentStatus.NONE),
                    SearchAttributePair(CUSTOMER_ID, request.customer_id),
                ]
            ),
            static_summary=static_summary(request),
            static_details=static_details(request),
            # How long a task that a dead worker had taken stays lost. Ours take milliseconds.
            task_timeout=timedelta(seconds=3),
            rpc_timeout=_CALL_TIMEOUT,
        )

    async def _find_started(self, checkout_id: str, claim: Ownership) -> Accepted:
        handle = self._handle(checkout_id)
        description = await handle.describe(rpc_timeout=_CALL_TIMEOUT)
        memo = await description.memo()
        if memo.get("fingerprint") != claim.fingerprint:
            raise Problem(IDEMPOTENCY_KEY_REUSED, "This key stands for a checkout with another body. Take a new key.")
        return Accepted(await take_snapshot(handle, description), is_replay=True)

    async def _describe_owned(self, checkout_id: str, owner: str) -> WorkflowExecutionDescription:
        description = await describe_checkout(self._client, checkout_id)
        memo = await description.memo()
        if memo.get("owner") != owner:
            raise Problem(UNKNOWN_CHECKOUT, "No checkout of yours has this id.")
        return description

    def _handle(self, checkout_id: str) -> CheckoutHandle:
        return handle_of(self._client, checkout_id)


def too_late(status: CheckoutStatus) -> Problem:
    """What has ended so cannot be cancelled."""
    return Problem(NOT_CANCELLABLE, f"The checkout is {status}; there is nothing to cancel.")
