"""One checkout with injected faults, from its start until nothing of it moves any more."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from temporalio.client import (
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
)
from temporalio.exceptions import ApplicationError, TerminatedError

from checkout.domain.messages import CheckoutRequest
from checkout.domain.view import CheckoutView
from checkout.temporal.names import TASK_QUEUE
from tests.exhaustive.activity_run import ActivityRun, Plan, current_run
from tests.exhaustive.cases import Case
from workflows.checkout import CheckoutWorkflow

if TYPE_CHECKING:
    from tests.exhaustive.environment import Environment

#: Far more than any of them takes; what is not at rest by then hangs.
_AT_REST_WITHIN_SECONDS = 120


@dataclass(repr=False)
class CaseRun:
    """One checkout of a case: what is injected, and what came of it."""

    case: Case
    request: CheckoutRequest
    plans: dict[str, Plan]
    environment: "Environment"
    runs: list[ActivityRun] = field(default_factory=list)
    #: What went wrong that is not to be seen in the books.
    complaints: list[str] = field(default_factory=list)
    injected: set[str] = field(default_factory=set)
    #: The activity with whose end the workflow task in which it runs is lost.
    loses_task_with: str | None = None
    #: The customer's cancel, and whether it was refused because the order is confirmed; None while nobody knows.
    cancel: WorkflowUpdateHandle[CheckoutView] | None = None
    is_cancel_refused: bool | None = None
    view: CheckoutView | None = None
    ended: str = "not at rest"
    duration_seconds: float = 0.0
    _acts: list[asyncio.Task[None]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """The checkout's."""
        return self.request.checkout_id

    @property
    def handle(self) -> WorkflowHandle[CheckoutWorkflow, CheckoutView]:
        """Its workflow."""
        return self.environment.client.get_workflow_handle_for(CheckoutWorkflow.run, self.id)

    async def play(self) -> None:
        """Buy, and return when nothing of the checkout moves any more."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_AT_REST_WITHIN_SECONDS):
                await self.environment.client.start_workflow(
                    CheckoutWorkflow.run, self.request, id=self.id, task_queue=TASK_QUEUE
                )
                await self.over
                await self._wait(lambda run: run.is_over)
                failed = await asyncio.gather(*self._acts, return_exceptions=True)
                self.complaints += [f"{error!r} {getattr(error, 'status', '')}" for error in failed if error]
                await self._hear_of_the_cancel()
                if self.ended == "terminated":  # What came late may have opened the checkout anew.
                    await self.environment.reconciled()
        except TimeoutError:
            self.over.cancel()
            stuck = [f"{one.activity} (frozen: {one.is_frozen})" for one in self.runs if not one.is_over]
            self.complaints.append(f"it is not at rest in time; under way: {', '.join(stuck) or 'nothing'}")
        self.duration_seconds = time.perf_counter() - began

    async def _hear_of_the_cancel(self) -> None:
        if self.cancel is None:
            return
        try:
            await self.cancel.result()
            self.is_cancel_refused = False
        except WorkflowUpdateFailedError as error:
            self.is_cancel_refused = isinstance(error.cause, ApplicationError) and error.cause.type == "NotCancellable"

    @cached_property
    def over(self) -> "asyncio.Task[None]":
        """The end of the workflow, and of reconciliation if it was terminated, and of every run that is not frozen."""
        return asyncio.ensure_future(self._over())

    async def _over(self) -> None:
        try:
            self.view = await self.handle.result()
            self.ended = "completed"
        except WorkflowFailureError as error:
            self.ended = "terminated" if isinstance(error.cause, TerminatedError) else "failed"
        if self.ended == "terminated":
            await self.environment.reconciled()
        await self._wait(lambda run: run.is_over or run.is_frozen)

    def act(self, what: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do something to the workflow; an activity that is cut off meanwhile does not keep it from being done."""
        self._acts.append(asyncio.ensure_future(what))
        return self._acts[-1]

    async def freeze(self, run: ActivityRun) -> None:
        """Hold a run until all the others are over, deaf to everything, as a worker that was stopped."""
        if self.over.done():  # Nobody else is left: this run is itself the late one's undo.
            return
        run.is_frozen = True
        self._tell()
        while not self.over.done():
            try:
                await asyncio.wait({self.over})
            except asyncio.CancelledError:
                continue
        run.is_frozen = False
        run.found = await self.environment.traces(self.id)

    async def run(self, activity: str, is_local: bool, execute: Callable[[ActivityRun], Awaitable[Any]]) -> Any:
        """Run an activity of this checkout, and inject the fault that is planned for it."""
        run = ActivityRun(self, activity, is_local, self.plans.get(activity))
        self.runs.append(run)
        token = current_run.set(run)
        try:
            return await execute(run)
        except BaseException as error:
            run.error = error
            raise
        finally:
            current_run.reset(token)
            self.act(self._compare(run))  # In a task of its own: this one may be cut off at any time.
            run.is_over = True
            self._tell()

    async def _compare(self, run: ActivityRun) -> None:
        """One that comes after its checkout has ended changes nothing. Of one that none has heard of, nothing ended."""
        if run.found and run.found["checkouts"] and (now := await self.environment.traces(self.id)) != run.found:
            changed = sorted(name for name in now if now[name] != run.found[name])
            self.complaints.append(f"{run.activity} came late, and changed {', '.join(changed)}")

    async def _wait(self, is_so: Callable[[ActivityRun], bool]) -> None:
        while not all(is_so(run) for run in self.runs):
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
