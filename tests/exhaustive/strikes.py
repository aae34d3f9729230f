"""What each fault does to the activity that it strikes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from checkout.domain.errors import InvariantBroken
from checkout.domain.states import CheckoutStatus
from checkout.temporal.names import CHECKOUT_STATUS
from tests.exhaustive import interference
from tests.exhaustive.faults import Fault
from tests.exhaustive.run import PlannedFailure, Run

Execute = Callable[[], Awaitable[Any]]

_STUCK = (CheckoutStatus.PAYMENT_STUCK, CheckoutStatus.COMPENSATION_STUCK)
#: How often something fails that is tried without end while nobody is told of it.
_FAILURES = 4
_LASTING = (Fault.KEEPS_FAILING, Fault.IS_A_BUG)


async def strike(run: Run) -> None:
    """Strike, if this is the place; the first run of the activity alone, unless the fault lasts."""
    if is_due(run) and run.plan and run.plan.fault in STRIKES and run.plan.place == run.touched:
        run.trial.struck.add(run.activity)
        await STRIKES[run.plan.fault](run)


async def strike_at_the_end(run: Run) -> None:
    """The same after the last touch; also what was meant for a place that this run did not come to."""
    if is_due(run) and run.plan:
        run.touched = max(run.touched, run.plan.place)
    await strike(run)


def is_due(run: Run) -> bool:
    """Whether the plan has still to be carried out."""
    return run.plan is not None and (run.plan.fault in _LASTING or run.activity not in run.trial.struck)


def fail_the_local_try(run: Run) -> None:
    """Have the server run the activity, where the fault is to strike it there.

    Raises:
        PlannedFailure: this is a try within the workflow task, and such a one is to fail.
    """
    if run.is_local and run.plan and run.plan.fails_locally:
        raise PlannedFailure("the try within the workflow task")


async def run_twice(run: Run, execute: Execute) -> Any:
    """Run the whole activity again with the same request, which has to answer the same."""
    run.trial.struck.add(run.activity)
    first = await execute()
    return _the_same(run, [first, await execute()])


async def run_twice_at_once(run: Run, execute: Execute) -> Any:
    """The same by two workers at one time. Either may have to give way to the other, and be tried again."""
    run.trial.struck.add(run.activity)
    answers = await asyncio.gather(execute(), execute(), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return _the_same(run, answers)


def _the_same(run: Run, answers: Sequence[Any]) -> Any:
    if _gist(answers[0]) != _gist(answers[1]):
        run.trial.complaints.append(f"{run.activity} answers first {answers[0]}, and then {answers[1]}")
    return answers[0]


def _gist(answer: Any) -> Any:
    """What the story goes by: of a refusal the reason alone."""
    return getattr(answer, "refusal", None) or answer


async def _fail(run: Run) -> None:
    raise PlannedFailure(f"struck at place {run.touched}")


async def _be_a_bug(run: Run) -> None:
    raise InvariantBroken(f"struck at place {run.touched}")


async def _keep_failing(run: Run) -> None:
    """Until support is told, where that is what happens; else for a few tries."""
    described = await run.trial.handle.describe()
    is_told = described.typed_search_attributes.get(CHECKOUT_STATUS) in _STUCK
    if not is_told and (_is_bounded(run) or sum(one.activity == run.activity for one in run.trial.runs) <= _FAILURES):
        raise PlannedFailure(f"struck at place {run.touched}")


def _is_bounded(run: Run) -> bool:
    """Whether support is told when this goes on failing: of every undo, and of a do that has a budget."""
    case = run.trial.case
    if any(one.is_undo for one in case.strikes):
        return True
    return case.step.policy(run.trial.request.timeouts).schedule_to_close is not None


async def _come_after_the_undo(run: Run) -> None:
    run.trial.act(interference.customers_cancel(run))
    await run.trial.freeze(run)


async def _come_after_the_second_try(run: Run) -> None:
    await run.trial.freeze(run)


async def _terminate_and_come_late(run: Run) -> None:
    run.trial.act(interference.workflow().terminate("a test"))
    await run.trial.freeze(run)


#: Those that strike between two touches.
STRIKES: dict[Fault, Callable[[Run], Awaitable[None]]] = {
    Fault.FAILS_BEFORE: _fail,
    Fault.FAILS_AFTER: _fail,
    Fault.KEEPS_FAILING: _keep_failing,
    Fault.IS_A_BUG: _be_a_bug,
    Fault.AFTER_ITS_UNDO: _come_after_the_undo,
    Fault.AFTER_ITS_SECOND_TRY: _come_after_the_second_try,
    Fault.CUSTOMER_CANCELS: interference.let_the_customer_cancel,
    Fault.OPERATOR_CANCELS: interference.let_an_operator_cancel,
    Fault.LOSES_ITS_TASK: interference.lose_the_task,
    Fault.CUSTOMER_CANCELS_AS_IT_IS_LOST: interference.let_the_customer_cancel_as_it_is_lost,
    Fault.OPERATOR_CANCELS_AS_IT_IS_LOST: interference.let_an_operator_cancel_as_it_is_lost,
    Fault.TERMINATED: interference.terminate,
    Fault.TERMINATED_AND_LATE: _terminate_and_come_late,
}
#: Those that run the whole activity more than once.
REPEATS: dict[Fault, Callable[[Run, Execute], Awaitable[Any]]] = {
    Fault.RUNS_TWICE: run_twice,
    Fault.RUNS_TWICE_AT_ONCE: run_twice_at_once,
}
