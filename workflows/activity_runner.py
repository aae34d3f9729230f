"""Runs the activities of one workflow, and brings them to rest when the workflow is cancelled.

* An activity that is quick is tried within the workflow task first (a local activity), which spares the server its
  scheduling. What does not succeed there at once is run as a regular activity, where an operator sees it pending.
* An activity that is running when a cancellation comes runs to the end of its present execution; it is not retried.
  Only then does the cancellation go on, so that no undo ever runs beside its step.
* A pivot (what cannot be undone) is run within the workflow task only directly after a result that the server has
  written down: should the task be lost, the same result leads to the same activity again. A workflow with a pivot
  runs its activities one after another.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows import policies
from workflows.policies import Policy

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities
    from checkout.domain.messages import Timeouts

In = TypeVar("In")
Out = TypeVar("Out")


class ActivityRunner:
    """The activities of one run. ``timeouts`` say how long they may take."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self._is_halted = False
        #: The workflow task that brought the last result, if the server has written that down.
        self._last_result_in: int | None = None

    def halt(self) -> None:
        """Start no further activity until `resume`.

        Cancelling the task that runs them is not enough: a cancellation that comes in the moment in which a wait ends
        is lost (https://github.com/python/cpython/issues/86296).
        """
        self._is_halted = True

    def resume(self) -> None:
        """Start activities again: those that were running have come to rest, and the compensation follows."""
        self._is_halted = False

    def refuse_when_halted(self) -> None:
        """Raises asyncio.CancelledError between `halt` and `resume`."""
        if self._is_halted:
            raise asyncio.CancelledError

    async def await_whole_task(self) -> None:
        """Return when everything that came with this workflow task has been delivered.

        The SDK delivers signals and updates before the results of activities, even when the results came first. So a
        Cancel waits for this before anybody decides whether it comes too late.
        """
        with contextlib.suppress(FailureError):  # However it ends, it ends after everything else was delivered.
            await workflow.execute_local_activity_method(
                AuditActivities.await_whole_task,
                start_to_close_timeout=policies.LOCAL_TIMEOUT,
                retry_policy=policies.LOCAL_RETRY,
                summary="a result that came with the Cancel is delivered first",
            )

    async def run(
        self,
        function: Callable[[Any, In], Awaitable[Out]],
        request: In,
        policy: Callable[[Timeouts], Policy] = policies.database,
        summary: str | None = None,
    ) -> Out:
        """Run an activity to its end; its result.

        Raises:
            temporalio.exceptions.ActivityError: its retries are used up, or its error is non-retryable.
            asyncio.CancelledError: the workflow was cancelled; the activity has come to rest.
        """
        self.refuse_when_halted()
        chosen = policy(self.timeouts)
        last_result_in, self._last_result_in = self._last_result_in, None
        if chosen.local_first and (not chosen.is_pivot or last_result_in == _this_task()):
            with contextlib.suppress(FailureError):
                return await _at_rest(_start_local(function, request, summary), is_retried=False)
            # Whatever was wrong, the server runs it again and keeps account of it; every step may run twice.
            self.refuse_when_halted()
        result = await _at_rest(self.start(function, request, policy, summary), is_retried=True)
        self._last_result_in = _this_task()
        return result

    def start(
        self,
        function: Callable[[Any, In], Awaitable[Out]],
        request: In,
        policy: Callable[[Timeouts], Policy],
        summary: str | None = None,
    ) -> workflow.ActivityHandle[Out]:
        """Start a regular activity, for whoever waits for more than its end. It is started when halted as well."""
        chosen = policy(self.timeouts)
        return workflow.start_activity(
            # The SDK types methods and functions apart; at run time it wants the decorated method as it is.
            cast(Callable[[In], Awaitable[Out]], function),
            request,
            start_to_close_timeout=chosen.start_to_close,
            schedule_to_close_timeout=chosen.schedule_to_close,
            heartbeat_timeout=chosen.heartbeat,
            retry_policy=chosen.retry,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary,
        )


def _this_task() -> int:
    """The present workflow task, by the length of the history that it began with: each next one has a longer one."""
    return workflow.info().get_current_history_length()


def _start_local(
    function: Callable[[Any, In], Awaitable[Out]], request: In, summary: str | None
) -> workflow.ActivityHandle[Out]:
    return workflow.start_local_activity(
        cast(Callable[[In], Awaitable[Out]], function),
        request,
        start_to_close_timeout=policies.LOCAL_TIMEOUT,
        retry_policy=policies.LOCAL_RETRY,
        summary=summary,
    )


async def _at_rest(handle: workflow.ActivityHandle[Out], *, is_retried: bool) -> Out:
    """The result of an activity; when cancelled, wait until it has come to rest and then pass the cancellation on."""
    try:
        return await asyncio.shield(handle)
    except asyncio.CancelledError:
        if is_retried:
            # Asks the server for no retry. The present execution is not stopped: it runs to its end.
            handle.cancel()
        await workflow.wait([handle])
        if not handle.cancelled():
            handle.exception()  # Retrieved, so that it is not reported. The undo finds out what the step had come to.
        raise
