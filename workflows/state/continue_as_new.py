"""When a run of a checkout ends so that another goes on: before its history becomes too long for Temporal.

A checkout may wait for months (for a bank, for support), and each look, event and command makes its history longer.
Temporal says in time when it should continue as new, and that happens at a moment in which nothing is under way.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow

from workflows.payment.collection import PaymentCollection
from workflows.payment.waits import another_run_is_due
from workflows.saga import Saga
from workflows.state.progress import Progress
from workflows.state.updates import Updates

with workflow.unsafe.imports_passed_through():
    from checkout.domain.messages import CheckoutRequest
    from checkout.domain.resume import MAX_EVENTS, MAX_UPDATES, Resume, bounded_timeline


_MOMENT = timedelta(milliseconds=1)


class Continuation:
    """Hands a waiting checkout on to the next run."""

    def __init__(
        self, request: CheckoutRequest, saga: Saga, progress: Progress, payment: PaymentCollection, updates: Updates
    ) -> None:
        self._request = request
        self._saga = saga
        self._progress = progress
        self._payment = payment
        self._updates = updates

    async def until_done(self, ending: asyncio.Task[None]) -> None:
        """Return when the checkout has ended; or never, because another run goes on with it.

        Raises:
            BaseException: what the ending raises; asyncio.CancelledError when somebody cancels the workflow meanwhile.
        """
        while not ending.done():
            await workflow.wait_condition(lambda: ending.done() or self._is_due())
            if not ending.done():
                await self._hear_everything()
                if self._may_hand_over():
                    self._hand_over()
        await ending

    async def _hear_everything(self) -> None:
        """A Cancel, an event or a result may have come in the same workflow task, and must not be lost with this run.

        When a timer fires, all that came with it is handed out before anything goes on; a condition is looked at when
        every handler of it has been called, so one that always holds waits for that alone. (A local activity would not
        do: it may be remembered although the end of the run was refused for the sake of what had come meanwhile.)
        """
        await workflow.sleep(_MOMENT)
        await workflow.wait_condition(lambda: True)

    def _is_due(self) -> bool:
        return another_run_is_due() and self._may_hand_over()

    def _may_hand_over(self) -> bool:
        return self._payment.is_waiting and workflow.all_handlers_finished()

    def _hand_over(self) -> NoReturn:
        # The lists of the API show when a checkout was asked for; Temporal itself knows only when each run began.
        memo = {**workflow.memo(), "requested_at": self._request.requested_at}
        workflow.continue_as_new(replace(self._request, resume=self._resume()), memo=memo)

    def _resume(self) -> Resume:
        completed = list(self._updates.completed.items())
        return Resume(
            view=self._progress.view,
            status_before=self._progress.status_before,
            begun=self._saga.begun,
            payment=self._payment.position,
            timeline=bounded_timeline(self._progress.timeline),
            seen_events=tuple(self._progress.seen_events)[-MAX_EVENTS:],
            completed_updates=dict(completed[-MAX_UPDATES:]),
        )
