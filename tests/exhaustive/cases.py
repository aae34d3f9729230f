"""Which cases there are: every do and every undo of the workflow's own steps, times every fault, and pairs of them.

Nothing here names an activity. Whoever adds a step to `workflows.checkout.STEPS` has added its cases.

An activity touches the world at one place after the other: a transaction, a statement, a call to the provider. A fault
comes before one of them or after the last; how many there are is counted in a run without faults.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from checkout.domain.messages import Timeouts
from tests.exhaustive.faults import DO_KINDS, LOST, REFUSALS, UNDO_KINDS, AnyStep, Fault, Injection, Trigger
from workflows.checkout import STEPS


@dataclass(frozen=True)
class Case:
    """One cell of the table. ``turn`` picks one of the places to inject at; None is for a run with each of them."""

    step: AnyStep
    injections: tuple[Injection, ...]
    trigger: Trigger | None = None
    turn: int | None = None

    @property
    def id(self) -> str:
        """A name to read and to select by: ``release_stock-declined-runs_twice``."""
        parts = [part for one in self.injections for part in (one.activity, one.fault)]
        if self.trigger:
            parts.insert(1, self.trigger.name)
        return "-".join(parts).replace(" ", "_")


def cases(steps: Sequence[AnyStep] = STEPS) -> list[Case]:
    """All of them."""
    return [*_of_dos(steps), *_of_undos(steps), *_of_pairs(steps)]


def triggers(step: AnyStep, steps: Sequence[AnyStep] = STEPS) -> list[Trigger]:
    """Everything that has the step undone; first a bug of the last step, after everything else was done."""
    return [one for one in (bug(steps), *REFUSALS) if one.step in steps and one.undoes(step, steps)]


def bug(steps: Sequence[AnyStep]) -> Trigger:
    """What has everything undone that comes before the last step."""
    return Trigger("bug", steps[-1])


def is_local_first(step: AnyStep) -> bool:
    """Whether the do is first tried within the workflow task."""
    return step.policy(Timeouts()).local_first


def name_of(activity: Any) -> str:
    """The activity's type, as Temporal knows it."""
    return str(activity.__name__)


def timeouts_of(case: Case) -> Timeouts:
    """How long the case's checkouts wait: a fault that lasts until support is told should not have to last long."""
    lasts = any(one.fault == Fault.KEEPS_FAILING for one in case.injections)
    more = case.trigger.timeouts if case.trigger else {}
    return Timeouts(payment_stuck_after_seconds=2 if lasts else 30, provider_timeout_seconds=5, **more)


def _of_dos(steps: Sequence[AnyStep]) -> Iterator[Case]:
    turns = count()
    for step in steps:
        for fault in Fault:
            if (step.undo or fault != Fault.AFTER_ITS_UNDO) and (is_local_first(step) or fault not in LOST):
                yield Case(step, (Injection(name_of(step.do), fault),))
                for refusal in REFUSALS:
                    if refusal.step == step:
                        yield Case(step, (Injection(name_of(step.do), fault),), refusal, next(turns))


def _of_undos(steps: Sequence[AnyStep]) -> Iterator[Case]:
    turns = count()
    for step in _undone(steps):
        for trigger in triggers(step, steps):
            for fault in Fault:
                if fault not in (Fault.AFTER_ITS_UNDO, Fault.IS_A_BUG, *LOST):
                    injection = Injection(name_of(step.undo), fault, is_undo=True)
                    yield Case(step, (injection,), trigger, None if trigger.reason is None else next(turns))


def _of_pairs(steps: Sequence[AnyStep]) -> Iterator[Case]:
    turns = count()
    for step in _undone(steps):
        reasons = triggers(step, steps)
        for row, do_kind in enumerate(DO_KINDS.values()):
            for column, undo_kind in enumerate(UNDO_KINDS.values()):
                do = Injection(name_of(step.do), do_kind[column % len(do_kind)])
                undo = Injection(name_of(step.undo), undo_kind[row % len(undo_kind)], is_undo=True)
                yield Case(step, (do, undo), reasons[(row + column) % len(reasons)], next(turns))


def _undone(steps: Iterable[AnyStep]) -> list[AnyStep]:
    return [step for step in steps if step.undo]
