"""What the storefront's routes need of Temporal: start a checkout, look it up, pay, cancel. Stores nothing itself."""

import time
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
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

from api.admission.update_rate_limits import LimitedAction, UpdateRateLimiter
from api.http.idempotency import Ownership, UpdateKey
from api.http.problems import IDEMPOTENCY_KEY_REUSED, NO_PAYMENT_AWAITED, UNKNOWN_CHECKOUT, Problem
from api.temporal import actions
from api.temporal.calls import CALL_SECONDS, response_within
from api.temporal.snapshots import CheckoutHandle, Snapshot, describe_checkout, handle_of, take_snapshot
from api.temporal.ui_texts import static_details, static_summary
from api.temporal.updates import Command, UpdateProblem, send
from api.temporal.waiting import Until, Waiting
from checkout.domain.commands import Cancel, SubmitPayment, UpdateRefusal
from checkout.domain.messages import CheckoutRequest
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.domain.view import view_at_start
from checkout.temporal.names import CHECKOUT_STATUS, CUSTOMER_ID, PAYMENT_STATUS, TASK_QUEUE
from workflows.checkout import CheckoutWorkflow

#: How long a cancel may take to be accepted before the client is told to send it again.
CANCEL_SECONDS: Final = 15.0

#: The same for another payment method; that the payment succeeds is not waited for.
SUBMIT_SECONDS: Final = 10.0

#: One id for all cancellations of a checkout by its customer, so that a second joins the first.
_CANCEL_KEY: Final = UpdateKey("cancel-by-customer")

#: The problem for each of the workflow's errors, by its type.
_SUBMIT_PROBLEMS: Final[Mapping[str, UpdateProblem]] = {
    UpdateRefusal.NOT_AWAITING_PAYMENT: UpdateProblem(
        NO_PAYMENT_AWAITED, "The checkout does not wait for the customer to pay; see its status."
    )
}

_CALL_TIMEOUT: Final = timedelta(seconds=CALL_SECONDS)


@dataclass(frozen=True)
class Accepted:
    """A checkout that Temporal has; ``is_replay``: an earlier request had started it."""

    snapshot: Snapshot
    is_replay: bool


class CheckoutService:
    """Everything that the storefront's routes need of Temporal, with one client.

    Each method raises a `Problem` of 503 while Temporal cannot be reached; the call may safely be repeated.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting = Waiting()
        self._limiter = UpdateRateLimiter(time.monotonic)

    async def accept(self, request: CheckoutRequest, ownership: Ownership) -> Accepted:
        """Start the checkout, or find the one that was started with the same id.

        Raises:
            Problem: 422 when that one was started with another body; 500 when it has failed.
        """
        async with response_within(CALL_SECONDS):
            try:
                await self._start(request, ownership)
            except WorkflowAlreadyStartedError:
                return await self._find_started(request.checkout_id, ownership)
        return Accepted(Snapshot(view_at_start(request)), is_replay=False)

    async def look_up(self, checkout_id: str, owner: str) -> Snapshot:
        """The checkout as it is now.

        Raises:
            Problem: 404 when there is none, or another owner has it; 500 when it has failed.
        """
        async with response_within(CALL_SECONDS):
            description = await self._describe_owned(checkout_id, owner)
            return await take_snapshot(self._handle(checkout_id), description)

    async def cancel(self, checkout_id: str, owner: str) -> Snapshot:
        """Have the checkout undone; returns once that is certain to happen.

        Raises:
            Problem: 404 as in `look_up`; 409 when it is confirmed or was rejected; 429 when that was refused too
                often; 503 when no worker responds.
        """
        async with self._limiter.limited(LimitedAction(owner, "cancel", checkout_id), _CANCEL_KEY):
            return await self._cancel(checkout_id, owner)

    async def _cancel(self, checkout_id: str, owner: str) -> Snapshot:
        handle = self._handle(checkout_id)
        async with response_within(CALL_SECONDS):
            description = await self._describe_owned(checkout_id, owner)
        if description.status != WorkflowExecutionStatus.RUNNING:
            return actions.refuse_unless_undone(await actions.final_snapshot(handle))
        command = actions.cancel_command(Cancel(), _CANCEL_KEY, CANCEL_SECONDS)
        return await actions.cancel(command, self._client, handle, partial(actions.final_snapshot, handle))

    async def submit_payment(self, checkout_id: str, owner: str, payment_method: str, key: UpdateKey) -> Snapshot:
        """The customer pays in another way.

        Raises:
            Problem: 404 as in `look_up`; 409 when no payment is awaited; 429 when that was refused too often; 503
                when no worker responds.
        """
        async with self._limiter.limited(LimitedAction(owner, "payment", checkout_id), key):
            return await self._submit(checkout_id, owner, payment_method, key)

    async def _submit(self, checkout_id: str, owner: str, payment_method: str, key: UpdateKey) -> Snapshot:
        handle = self._handle(checkout_id)
        async with response_within(CALL_SECONDS):
            await self._describe_owned(checkout_id, owner)
        # Sent to a checkout that has ended, too: Temporal still knows the outcome of an update with this id.
        submit = Command(
            CheckoutWorkflow.submit_payment, SubmitPayment(payment_method), key, SUBMIT_SECONDS, _SUBMIT_PROBLEMS
        )
        snapshot = await send(submit, self._client, handle)
        if snapshot is None:
            raise Problem(NO_PAYMENT_AWAITED, "The checkout has ended.")
        return snapshot

    async def wait(
        self, until: Until, latest: Snapshot, seconds: float, hang_up: Coroutine[Any, Any, None]
    ) -> Snapshot:
        """Wait until the checkout has changed; see `Waiting.until`."""
        return await self._waiting.until(until, self._handle(latest.view.id), latest, seconds, hang_up)

    async def _start(self, request: CheckoutRequest, ownership: Ownership) -> None:
        await self._client.start_workflow(
            CheckoutWorkflow.run,
            request,
            id=request.checkout_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            memo=asdict(ownership),
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(CHECKOUT_STATUS, CheckoutStatus.PROCESSING),
                    SearchAttributePair(PAYMENT_STATUS, PaymentStatus.NONE),
                    SearchAttributePair(CUSTOMER_ID, request.customer_id),
                ]
            ),
            static_summary=static_summary(request),
            static_details=static_details(request),
            # After this time another worker gets the task of one that died. The tasks themselves take milliseconds.
            task_timeout=timedelta(seconds=3),
            rpc_timeout=_CALL_TIMEOUT,
        )

    async def _find_started(self, checkout_id: str, ownership: Ownership) -> Accepted:
        handle = self._handle(checkout_id)
        description = await handle.describe(rpc_timeout=_CALL_TIMEOUT)
        memo = await description.memo()
        if memo.get("fingerprint") != ownership.fingerprint:
            raise Problem(IDEMPOTENCY_KEY_REUSED, "This key was used for a checkout with another body. Use a new key.")
        return Accepted(await take_snapshot(handle, description), is_replay=True)

    async def _describe_owned(self, checkout_id: str, owner: str) -> WorkflowExecutionDescription:
        description = await describe_checkout(self._client, checkout_id)
        memo = await description.memo()
        if memo.get("owner") != owner:
            raise Problem(UNKNOWN_CHECKOUT, "There is no checkout with this id.")
        return description

    def _handle(self, checkout_id: str) -> CheckoutHandle:
        return handle_of(self._client, checkout_id)
