"""Steps with their undos, and the unwinding of what was begun.

What this knows about failure, so that the story need not:

* an undo is remembered before its do is started, since a do that timed out may have happened. What is tried within the
  workflow task counts as begun as soon as the step before it is: when a worker dies, the memory that such a step was
  begun dies with the task, and what it did in PostgreSQL does not;
* a do that is under way when a cancellation comes runs to the end of its present try (no further ones are made), and
  only then is anything undone, so that no undo ever races its do;
* an undo is retried until it lands;
* what is quick is tried within the workflow task first, and handed to the server when that did not do it at once;
* what cannot be undone is tried there only directly after an answer that the server has written down: should the task
  be lost, the same answer leads to the same step again, and a cancellation that comes with it hears of that first.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Generic, Protocol, TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows import policies
from workflows.policies import Policy

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities
    from checkout.domain.messages import Timeouts, Undo
    from checkout.domain.states import Reason

In = TypeVar("In")
Out = TypeVar("Out", bound="Answer | None")
Ask = TypeVar("Ask")


class Answer(Protocol):
    """What a do answers."""

    @property
    def refusal(self) -> Reason | None:
        """Why the step had to say no, if it had to."""


@dataclass(frozen=True)
class Step(Generic[In, Out]):
    """An action declared beside its undo. Both are activities that may run twice, late, or after one another.

    ``undo_when_refused``: a refusal may still have left something behind (a declined payment its intent; an order that
    an earlier try wrote when its time was up already).
    """

    do: Callable[[Any, In], Awaitable[Out]]
    undo: Callable[[Any, Undo], Awaitable[Any]] | None = None
    policy: Callable[[Timeouts], Policy] = policies.database
    undo_policy: Callable[[Timeouts], Policy] = policies.database_undo
    undo_when_refused: bool = False


class Refused(Exception):
    """A step said no, for a reason that the customer is told."""

    def __init__(self, reason: Reason, answer: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = answer


class Saga:
    """The steps taken so far, and the way back. ``steps`` are all that may be taken, in their order.

    ``begun`` names those that the run before this one had begun, if it goes on for another.
    """

    def __init__(
        self, timeouts: Timeouts, steps: Sequence[Step[Any, Any]] = (), begun: Sequence[str] | None = None
    ) -> None:
        self._patience = timeouts
        self._steps = steps
        self._begun = self._local_from(0) if begun is None else [step for step in steps if _name(step) in begun]
        self._is_stopped = False
        #: The workflow task that brought the last answer, if the server has written that down.
        self._answered_in: int | None = None

    @property
    def begun(self) -> tuple[str, ...]:
        """The steps that were begun, by the names of their activities: for the run that goes on for this one."""
        return tuple(_name(step) for step in self._begun)

    def stop(self) -> None:
        """Begin nothing more. Cancelling the task that takes the steps is not enough: one that comes in the moment in
        which a wait ends is lost (https://github.com/python/cpython/issues/86296).
        """
        self._is_stopped = True

    def turn_back(self) -> None:
        """The steps have come to rest; what is asked from now on belongs to the way back."""
        self._is_stopped = False

    async def hear_the_rest(self) -> None:
        """Return when everything else that came in this workflow task has been heard.

        Commands are handed out before the answers of activities, even of those that came first. What a lost task has
        done upon such an answer has to be begun again before anybody decides that it is not too late.
        """
        with contextlib.suppress(FailureError):  # However it ends, it ends after everything else was handed out.
            await workflow.execute_local_activity_method(
                AuditActivities.hear_the_rest,
                start_to_close_timeout=policies.LOCAL_TIMEOUT,
                retry_policy=policies.LOCAL_RETRY,
            )

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._begun)

    async def take(
        self,
        step: Step[In, Out],
        request: In,
        policy: Callable[[Timeouts], Policy] | None = None,
        summary: str | None = None,
    ) -> Out:
        """Do a step.

        Raises:
            Refused: the step said no.
            temporalio.exceptions.ActivityError: its tries are used up, or its error is one that no try can help.
            asyncio.CancelledError: the checkout was cancelled; the step has come to rest.
        """
        self._refuse_when_stopped()
        place = self._steps.index(step)
        self._begun = [*self._begun_before(place), step, *self._local_from(place + 1)]
        answer = await self.ask(step.do, request, policy or step.policy, summary)
        if answer is not None and answer.refusal is not None:
            self._begun = self._begun_before(place + 1 if step.undo_when_refused else place)
            raise Refused(answer.refusal, answer)
        return answer

    async def ask(
        self,
        function: Callable[[Any, In], Awaitable[Ask]],
        request: In,
        policy: Callable[[Timeouts], Policy] = policies.database,
        summary: str | None = None,
    ) -> Ask:
        """Run an activity that has nothing to undo; raises as `take` does, but for `Refused`."""
        self._refuse_when_stopped()
        chosen = policy(self._patience)
        answered_in, self._answered_in = self._answered_in, None
        if chosen.local_first and (not chosen.for_good or answered_in == _this_task()):
            with contextlib.suppress(FailureError):
                return await _settled(_start_local(function, request, summary), is_retried=False)
            # Whatever was wrong, the server runs it again and keeps account of it; every step may run twice.
            self._refuse_when_stopped()
        answer = await _settled(_start(function, request, chosen, summary), is_retried=True)
        self._answered_in = _this_task()
        return answer

    def _begun_before(self, place: int) -> list[Step[Any, Any]]:
        return [step for step in self._begun if self._steps.index(step) < place]

    def _local_from(self, place: int) -> list[Step[Any, Any]]:
        return list(takewhile(lambda step: step.policy(self._patience).local_first, self._steps[place:]))

    def _refuse_when_stopped(self) -> None:
        if self._is_stopped:
            raise asyncio.CancelledError

    async def unwind(self, undo: Undo, stuck: Callable[[], Awaitable[None]]) -> list[Any]:
        """Undo every step that was begun, the last one first; answers what each undo answered, in that order.

        Returns when all have landed. ``stuck`` is called when one takes longer than a payment may before support is
        told; it is tried on all the same.
        """
        self.turn_back()
        answers = []
        for step in reversed([step for step in self._begun if step.undo]):
            handle = _start(step.undo, undo, step.undo_policy(self._patience), f"Undo: {undo.reason}")
            _, waiting = await workflow.wait([handle], timeout=self._patience.payment_stuck_after_seconds)
            if waiting:
                # Told beside the undo, since what keeps the one from landing may keep the other.
                told = asyncio.ensure_future(stuck())
                await workflow.wait([handle, told])
            answers.append(await handle)
        return answers


def _name(step: Step[Any, Any]) -> str:
    return step.do.__name__


def _this_task() -> int:
    """The present workflow task, by the history that it began with: each next one has a longer one."""
    return workflow.info().get_current_history_length()


def _start(
    function: Callable[[Any, In], Awaitable[Ask]] | None, request: In, policy: Policy, summary: str | None
) -> workflow.ActivityHandle[Ask]:
    return workflow.start_activity(
        # The SDK types methods and functions apart; at run time it wants the decorated method as it is.
        cast(Callable[[In], Awaitable[Ask]], function),
        request,
        start_to_close_timeout=policy.start_to_close,
        schedule_to_close_timeout=policy.schedule_to_close,
        heartbeat_timeout=policy.heartbeat,
        retry_policy=policy.retry,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
    )


def _start_local(
    function: Callable[[Any, In], Awaitable[Ask]], request: In, summary: str | None
) -> workflow.ActivityHandle[Ask]:
    return workflow.start_local_activity(
        cast(Callable[[In], Awaitable[Ask]], function),
        request,
        start_to_close_timeout=policies.LOCAL_TIMEOUT,
        retry_policy=policies.LOCAL_RETRY,
        summary=summary,
    )


async def _settled(handle: workflow.ActivityHandle[Ask], *, is_retried: bool) -> Ask:
    """The answer of an activity; when cancelled, wait until it has come to rest and then pass the cancellation on."""
    try:
        return await asyncio.shield(handle)
    except asyncio.CancelledError:
        if is_retried:
            # Asks the server for no further try. The present one is not stopped: it runs to its end.
            handle.cancel()
        await workflow.wait([handle])
        if not handle.cancelled():
            handle.exception()  # Seen. An undo finds out for itself what the step had come to.
        raise
