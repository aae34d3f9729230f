"""What each fault does to the activity that it is injected into."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from checkout.domain.errors import InvariantBroken
from checkout.domain.states import CheckoutStatus
from checkout.temporal.names import CHECKOUT_STATUS
from tests.exhaustive import interference
from tests.exhaustive.activity_run import ActivityRun, PlannedFailure
from tests.exhaustive.faults import Fault

Execute = Callable[[], Awaitable[Any]]

_STUCK = (CheckoutStatus.PAYMENT_STUCK, CheckoutStatus.COMPENSATION_STUCK)
#: How often something fails that is tried without end while nobody is told of it.
_FAILURES = 4
_LASTING = (Fault.KEEPS_FAILING, Fault.IS_A_BUG)


async def inject(run: ActivityRun) -> None:
    """Inject the fault, if this is the place; the first run of the activity alone, unless the fault lasts."""
    if is_due(run) and run.plan and run.plan.fault in INJECTIONS and run.plan.place == run.touched:
        run.case_run.injected.add(run.activity)
        await INJECTIONS[run.plan.fault](run)


async def inject_at_the_end(run: ActivityRun) -> None:
    """The same after the last touch; also what was meant for a place that this run did not come to."""
    if is_due(run) and run.plan:
        run.touched = max(run.touched, run.plan.place)
    await inject(run)


def is_due(run: ActivityRun) -> bool:
    """Whether the plan has still to be carried out."""
    return run.plan is not None and (run.plan.fault in _LASTING or run.activity not in run.case_run.injected)


def fail_the_local_try(run: ActivityRun) -> None:
    """Have the server run the activity, where the fault is to be injected there.

    Raises:
        PlannedFailure: this is a try within the workflow task, and such a one is to fail.
    """
    if run.is_local and run.plan and run.plan.fails_locally:
        raise PlannedFailure("the try within the workflow task")


async def run_twice(run: ActivityRun, execute: Execute) -> Any:
    """Run the whole activity again with the same request, which has to return the same."""
    run.case_run.injected.add(run.activity)
    first = await execute()
    return _the_same(run, [first, await execute()])


async def run_twice_at_once(run: ActivityRun, execute: Execute) -> Any:
    """The same by two workers at one time. Either may have to give way to the other, and be tried again."""
    run.case_run.injected.add(run.activity)
    results = await asyncio.gather(execute(), execute(), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return _the_same(run, results)


def _the_same(run: ActivityRun, results: Sequence[Any]) -> Any:
    if _gist(results[0]) != _gist(results[1]):
        run.case_run.complaints.append(f"{run.activity} returns first {results[0]}, and then {results[1]}")
    return results[0]


def _gist(result: Any) -> Any:
    """What the workflow goes by: of a refusal the reason alone."""
    return getattr(result, "refusal", None) or result


async def _fail(run: ActivityRun) -> None:
    raise PlannedFailure(f"injected at place {run.touched}")


async def _be_a_bug(run: ActivityRun) -> None:
    raise InvariantBroken(f"injected at place {run.touched}")


async def _keep_failing(run: ActivityRun) -> None:
    """Until support is told, where that is what happens; else for a few tries."""
    described = await run.case_run.handle.describe()
    is_told = described.typed_search_attributes.get(CHECKOUT_STATUS) in _STUCK
    if not is_told and (
        _is_bounded(run) or sum(one.activity == run.activity for one in run.case_run.runs) <= _FAILURES
    ):
        raise PlannedFailure(f"injected at place {run.touched}")


def _is_bounded(run: ActivityRun) -> bool:
    """Whether support is told when this goes on failing: of every undo, and of a do that has a budget."""
    case = run.case_run.case
    if any(one.is_undo for one in case.injections):
        return True
    return case.step.policy(run.case_run.request.timeouts).schedule_to_close is not None


async def _come_after_the_undo(run: ActivityRun) -> None:
    run.case_run.act(interference.customers_cancel(run))
    await run.case_run.freeze(run)


async def _come_after_the_second_try(run: ActivityRun) -> None:
    await run.case_run.freeze(run)


async def _terminate_and_come_late(run: ActivityRun) -> None:
    run.case_run.act(interference.workflow().terminate("a test"))
    await run.case_run.freeze(run)


#: Those between two touches.
INJECTIONS: dict[Fault, Callable[[ActivityRun], Awaitable[None]]] = {
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
REPEATS: dict[Fault, Callable[[ActivityRun, Execute], Awaitable[Any]]] = {
    Fault.RUNS_TWICE: run_twice,
    Fault.RUNS_TWICE_AT_ONCE: run_twice_at_once,
}
