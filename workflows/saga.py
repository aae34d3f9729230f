"""Steps with their undos, and the compensation of what was begun.

* An undo is remembered before its step is started, since a step that timed out may have happened. A step that is tried
  within the workflow task counts as begun as soon as the step before it is: when a worker dies, the memory that such a
  step was begun dies with the task, and what it did in PostgreSQL does not.
* The compensation undoes every step that was begun, the last one first, and retries each undo until it succeeds.

How an activity is run, and how it is brought to rest before anything is undone: `workflows.activity_runner`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Generic, Protocol, TypeVar

from temporalio import workflow

from workflows import policies
from workflows.activity_runner import ActivityRunner
from workflows.policies import Policy

with workflow.unsafe.imports_passed_through():
    from checkout.domain.messages import Timeouts, Undo, UndoResult
    from checkout.domain.states import Reason


class StepResult(Protocol):
    """What a step returns."""

    @property
    def refusal(self) -> Reason | None:
        """Why the step refused, if it did."""


In = TypeVar("In")
Out = TypeVar("Out", bound=StepResult | None)


@dataclass(frozen=True)
class Step(Generic[In, Out]):
    """An action declared beside its undo. Both are activities that may run twice, late, or after one another.

    ``undo_when_refused``: a refusal may still have left something behind (a declined payment its intent; an order that
    an earlier execution wrote after its timeout).
    """

    do: Callable[[Any, In], Awaitable[Out]]
    undo: Callable[[Any, Undo], Awaitable[UndoResult]] | None = None
    policy: Callable[[Timeouts], Policy] = policies.database
    undo_policy: Callable[[Timeouts], Policy] = policies.database_undo
    undo_when_refused: bool = False

    @property
    def name(self) -> str:
        """The name of the step's activity."""
        return self.do.__name__


class StepRefused(Exception):
    """A step refused, for a reason that the customer is told."""

    def __init__(self, reason: Reason, result: StepResult) -> None:
        super().__init__(reason)
        self.reason = reason
        self.result = result


class Saga:
    """The steps that were begun. ``steps`` are all that there are, in their order.

    ``begun`` names those that were begun before, if this goes on for another run.
    """

    def __init__(
        self, runner: ActivityRunner, steps: Sequence[Step[Any, Any]], begun: Sequence[str] | None = None
    ) -> None:
        self._runner = runner
        self._steps = steps
        self._begun = self._local_from(0) if begun is None else [step for step in steps if step.name in begun]

    @property
    def begun(self) -> tuple[str, ...]:
        """The steps that were begun, by name: for the run that goes on for this one."""
        return tuple(step.name for step in self._begun)

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._begun)

    async def run_step(
        self,
        step: Step[In, Out],
        request: In,
        policy: Callable[[Timeouts], Policy] | None = None,
        summary: str | None = None,
    ) -> Out:
        """Run a step, and remember that it has to be undone.

        Raises:
            StepRefused: the step refused.
            temporalio.exceptions.ActivityError: its retries are used up, or its error is non-retryable.
            asyncio.CancelledError: the checkout was cancelled; the step has come to rest.
        """
        self._runner.refuse_when_halted()
        position = self._position(step)
        self._begun = [*self._begun_before(position), step, *self._local_from(position + 1)]
        result = await self._runner.run(step.do, request, policy or step.policy, summary)
        if result is not None and result.refusal is not None:
            self._begun = self._begun_before(position + 1 if step.undo_when_refused else position)
            raise StepRefused(result.refusal, result)
        return result

    async def compensate(
        self,
        undo: Undo,
        when_stuck: Callable[[], Awaitable[None]] | None = None,
        policy: Callable[[Timeouts], Policy] | None = None,
        summary: str | None = None,
    ) -> list[UndoResult]:
        """Undo every step that was begun, the last one first; what each undo returned, in that order.

        Returns when all have succeeded. ``when_stuck`` is called when an undo takes longer than
        ``payment_stuck_after_seconds``; the undo is retried all the same. ``policy`` counts instead of each step's own.

        Raises:
            temporalio.exceptions.ActivityError: the ``policy`` allows an undo no further retry.
        """
        self._runner.resume()
        results = []
        for step in reversed(self._begun):
            if step.undo:
                handle = self._runner.start(
                    step.undo, undo, policy or step.undo_policy, summary or f"Undo: {undo.reason}"
                )
                if when_stuck:
                    await self._watch(handle, when_stuck)
                results.append(await handle)
        return results

    async def _watch(
        self, handle: workflow.ActivityHandle[UndoResult], when_stuck: Callable[[], Awaitable[None]]
    ) -> None:
        _, pending = await workflow.wait([handle], timeout=self._runner.timeouts.payment_stuck_after_seconds)
        if pending:
            # Beside the undo, since what keeps the one from succeeding may keep the other.
            told = asyncio.ensure_future(when_stuck())
            await workflow.wait([handle, told])

    def _position(self, step: Step[Any, Any]) -> int:
        if step not in self._steps:
            raise ValueError(f"the step {step.name} is not declared: add it to the saga's steps, in their order")
        return self._steps.index(step)

    def _begun_before(self, position: int) -> list[Step[Any, Any]]:
        return [step for step in self._begun if self._steps.index(step) < position]

    def _local_from(self, position: int) -> list[Step[Any, Any]]:
        return list(takewhile(lambda step: step.policy(self._runner.timeouts).local_first, self._steps[position:]))
