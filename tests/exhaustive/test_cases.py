"""The cases themselves: none is forgotten, whatever step is added, and the judge sees what is wrong."""

from collections import defaultdict
from copy import deepcopy
from typing import Any

import pytest
from temporalio import activity

from checkout.domain.messages import Undo
from tests.exhaustive.books import Traces
from tests.exhaustive.case_run import CaseRun
from tests.exhaustive.cases import Case, cases, is_local_first, name_of, triggers
from tests.exhaustive.environment import request_of
from tests.exhaustive.faults import DO_KINDS, LOST, UNDO_KINDS, Fault
from tests.exhaustive.verdict import judge
from workflows import policies
from workflows.checkout import STEPS
from workflows.saga import Step


class Gift:
    """A step that nobody has thought of yet, and that is tried within the workflow task."""

    async def wrap_gift(self, request: Any) -> None:
        """Would be an activity."""

    async def unwrap_gift(self, undo: Undo) -> None:
        """Would be its undo."""


WITH_A_GIFT = (*STEPS[:-1], Step(Gift.wrap_gift, Gift.unwrap_gift, policy=policies.database), STEPS[-1])


def faults_of(name: str, some: list[Case]) -> set[Fault]:
    return {case.injections[0].fault for case in some if [one.activity for one in case.injections] == [name]}


@pytest.mark.parametrize("steps", [STEPS, WITH_A_GIFT], ids=["today", "with_a_new_step"])
def test_every_do_and_every_undo_meets_every_fault(steps: tuple[Step[Any, Any], ...]) -> None:
    every = cases(steps)
    for step in steps:
        never = set() if is_local_first(step) else set(LOST)
        assert faults_of(name_of(step.do), every) == set(Fault) - never - (
            set() if step.undo else {Fault.AFTER_ITS_UNDO}
        )
        if step.undo:
            # An undo has no undo, no error of it is a bug, and none runs within a workflow task.
            assert faults_of(name_of(step.undo), every) == set(Fault) - {*LOST, Fault.AFTER_ITS_UNDO, Fault.IS_A_BUG}


@pytest.mark.parametrize("steps", [STEPS, WITH_A_GIFT], ids=["today", "with_a_new_step"])
def test_every_kind_of_fault_of_a_do_meets_every_kind_of_its_undo(steps: tuple[Step[Any, Any], ...]) -> None:
    pairs = [case for case in cases(steps) if len(case.injections) == 2]
    for step in steps:
        met = {tuple(one.fault for one in case.injections) for case in pairs if case.step == step}
        for do in DO_KINDS.values():
            for undo in UNDO_KINDS.values():
                assert bool(step.undo) == any(fault in do and other in undo for fault, other in met)


def test_every_undo_has_something_that_triggers_it() -> None:
    assert [step for step in WITH_A_GIFT if step.undo and not triggers(step, WITH_A_GIFT)] == []


def test_no_activity_of_the_steps_classes_is_left_out() -> None:
    """A do or an undo that is registered beside the others, and is in no step, would be in no case."""
    rooms = {step.do.__qualname__.split(".")[0]: step.do.__globals__ for step in STEPS}
    registered = {name for room, scope in rooms.items() for name, one in vars(scope[room]).items() if _is_activity(one)}
    assert registered == {one.activity for case in cases() for one in case.injections}


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.id for case in cases()]
    assert len(set(names)) == len(names)


def _is_activity(member: Any) -> bool:
    return activity._Definition.from_callable(member) is not None if callable(member) else False


CONFIRMED = {"entity": "order", "before": "pending", "after": "confirmed", "actor": "workflow"}
SOLD: Traces = {
    "products": [{"reserved": 0, "received": 5, "on_hand": 3}],
    "checkouts": [{"status": "confirmed", "reason": None}],
    "reservations": [{"status": "committed"}],
    "orders": [{"status": "confirmed"}],
    "payments": [{"status": "captured"}],
    "intents": [{"amount_received": 2580}],
    "audit_log": [CONFIRMED],
}
CANCELLED: Traces = SOLD | {"checkouts": [{"status": "cancelled", "reason": "payment_declined"}]}


def judged(traces: Traces) -> tuple[str, ...]:
    """What is wrong with a checkout without an injected fault, and which left these traces."""
    case = Case(STEPS[0], ())
    case_run = CaseRun(case, request_of(case), {}, environment=None, ended="completed")  # type: ignore[arg-type]  # not played
    return judge(case_run, defaultdict(list, deepcopy(traces))).wrong


def test_a_correct_sale_has_no_complaint() -> None:
    assert judged(SOLD) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        CANCELLED,
        SOLD | {"checkouts": []},
        SOLD | {"products": [{"reserved": 2, "received": 5, "on_hand": 5}]},
        SOLD | {"reservations": [{"status": "held"}]},
        SOLD | {"orders": [{"status": "confirmed"}, {"status": "pending"}]},
        SOLD | {"payments": [{"status": "captured"}, {"status": "captured"}]},
        SOLD | {"intents": []},
        SOLD | {"intents": [{"amount_received": 2580}, {"amount_received": 2580}]},
        SOLD | {"refunds_of_the_provider": [{"amount": 2580, "status": "succeeded"}]},
        SOLD | {"audit_log": [CONFIRMED, CONFIRMED]},
        SOLD | {"audit_log": [CONFIRMED | {"actor": "reconciliation"}]},
    ],
)
def test_each_wrong_trace_is_a_complaint(wrong: Traces) -> None:
    assert judged(wrong) != ()
