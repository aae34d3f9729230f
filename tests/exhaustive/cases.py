"""Which cases there are: every do and every undo of the workflow's own steps, times every fault, and pairs of them.

Nothing here names an activity. Whoever adds a step to `workflows.checkout.STEPS` has added its cases.

An activity touches the world at one place after the other: a transaction, a statement, a call to the provider. A fault
strikes before one of them or after the last; how many there are is counted in a run that nothing disturbs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

from checkout.domain.requests import Patience
from checkout.domain.states import Reason
from workflows.checkout import CREATE_ORDER, RESERVE_STOCK, STEPS
from workflows.payment import CHARGE_PAYMENT
from workflows.saga import Step

AnyStep = Step[Any, Any]
UNIT_PRICE_MINOR, TOTAL_MINOR = 1290, 2580


class Fault(StrEnum):
    """What goes wrong with the first run of an activity, or what goes wrong around it."""

    FAILS_BEFORE = "fails before its effect"
    FAILS_AFTER = "fails after its effect"
    KEEPS_FAILING = "keeps failing"
    IS_A_BUG = "fails for good"
    RUNS_TWICE = "runs twice"
    RUNS_TWICE_AT_ONCE = "runs twice at once"
    AFTER_ITS_UNDO = "answers after its undo"
    AFTER_ITS_SECOND_TRY = "answers after its second try"
    CUSTOMER_CANCELS = "the customer cancels in its middle"
    OPERATOR_CANCELS = "an operator cancels in its middle"
    LOSES_ITS_TASK = "its workflow task is lost"
    CUSTOMER_CANCELS_AS_IT_IS_LOST = "its task is lost and the customer cancels"
    OPERATOR_CANCELS_AS_IT_IS_LOST = "its task is lost and an operator cancels"
    TERMINATED = "is terminated in its middle"
    TERMINATED_AND_LATE = "is terminated and answers later"


_TWICE = (Fault.RUNS_TWICE, Fault.RUNS_TWICE_AT_ONCE)
_CANCELLED = (Fault.CUSTOMER_CANCELS, Fault.OPERATOR_CANCELS)
_TERMINATED = (Fault.TERMINATED, Fault.TERMINATED_AND_LATE)
#: What befalls only a local activity: it did it, and the workflow task in which it ran never came to the server.
_LOST = (Fault.LOSES_ITS_TASK, Fault.CUSTOMER_CANCELS_AS_IT_IS_LOST, Fault.OPERATOR_CANCELS_AS_IT_IS_LOST)
_FAILS = ((Fault.FAILS_BEFORE,), (Fault.FAILS_AFTER,))
#: The kinds of which pairs are made; where a kind has variants, the pairs take turns at them.
DO_KINDS = (*_FAILS, _TWICE, (Fault.AFTER_ITS_UNDO, Fault.AFTER_ITS_SECOND_TRY), _CANCELLED, _TERMINATED)
UNDO_KINDS = (*_FAILS, _TWICE, (Fault.AFTER_ITS_SECOND_TRY,), _CANCELLED, _TERMINATED)


@dataclass(frozen=True)
class Trigger:
    """Why what was done has to be undone: ``step`` says no, for this ``reason``, to a request that is so ``changed``.

    Without a ``reason`` the step has a bug, as any step might: the one trigger that needs no knowledge of the step.
    """

    name: str
    step: AnyStep
    reason: Reason | None = None
    changed: dict[str, Any] = field(default_factory=dict, hash=False)
    patience: dict[str, Any] = field(default_factory=dict, hash=False)

    def undoes(self, step: AnyStep, steps: Sequence[AnyStep]) -> bool:
        """Whether the step is among those that are undone."""
        here, there = steps.index(step), steps.index(self.step)
        return step.undo is not None and (here < there or (here == there and step.undo_when_refused))


ON_HAND = 5
#: Refusals of the steps. The undos find something else to do than after a capture: nothing, or an open payment.
REFUSALS = (
    Trigger("out_of_stock", RESERVE_STOCK, Reason.OUT_OF_STOCK, {"quantity": ON_HAND + 1}),
    Trigger("price_changed", CREATE_ORDER, Reason.PRICE_CHANGED, {"expected_total_minor": TOTAL_MINOR - 1}),
    Trigger(
        "declined",
        CHARGE_PAYMENT,
        Reason.PAYMENT_DECLINED,
        {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"},
        {"max_attempts": 1},
    ),
    Trigger(
        "window_closed",
        CHARGE_PAYMENT,
        Reason.PAYMENT_WINDOW_EXPIRED,
        {"payment_method": "pm_card_authenticationRequired"},
        {"payment_window_seconds": 1},
    ),
    Trigger("wrong_amount", CHARGE_PAYMENT, Reason.AMOUNT_MISMATCH, {"payment_method": "pm_sandbox_wrong_amount"}),
)


@dataclass(frozen=True)
class Strike:
    """A fault of one activity."""

    activity: str
    fault: Fault
    is_undo: bool = False

    @property
    def holds(self) -> bool:
        """Whether it keeps the activity in its middle, while something happens to the workflow."""
        return self.fault in (Fault.AFTER_ITS_UNDO, Fault.AFTER_ITS_SECOND_TRY, *_CANCELLED, *_TERMINATED)

    def places(self, touches: int) -> list[int]:
        """Where it strikes an activity that touches the world so often: 0 is before its effect, the last after it."""
        match self.fault:
            case Fault.FAILS_BEFORE | Fault.RUNS_TWICE | Fault.RUNS_TWICE_AT_ONCE:
                return [0]
            case Fault.FAILS_AFTER:
                return list(range(1, touches + 1))
            case Fault.IS_A_BUG:  # An error that no try can help comes from a touch, so there is none after the last.
                return list(range(touches))
            case Fault.KEEPS_FAILING:
                return [0, touches]
            case Fault.LOSES_ITS_TASK | Fault.CUSTOMER_CANCELS_AS_IT_IS_LOST | Fault.OPERATOR_CANCELS_AS_IT_IS_LOST:
                return [touches]
            case _:
                return list(range(touches + 1))


@dataclass(frozen=True)
class Case:
    """One cell of the table. ``turn`` picks one of the places to strike at; None is for a trial at each of them."""

    step: AnyStep
    strikes: tuple[Strike, ...]
    trigger: Trigger | None = None
    turn: int | None = None

    @property
    def id(self) -> str:
        """A name to read and to select by: ``release_stock-declined-runs_twice``."""
        parts = [part for one in self.strikes for part in (one.activity, one.fault)]
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
    return step.policy(Patience()).local_first


def name_of(activity: Any) -> str:
    """The activity's type, as Temporal knows it."""
    return str(activity.__name__)


def patience_of(case: Case) -> Patience:
    """How long the case's checkouts wait: a fault that lasts until support is told should not have to last long."""
    lasts = any(one.fault == Fault.KEEPS_FAILING for one in case.strikes)
    more = case.trigger.patience if case.trigger else {}
    return Patience(payment_stuck_after_seconds=2 if lasts else 30, provider_timeout_seconds=5, **more)


def _of_dos(steps: Sequence[AnyStep]) -> Iterator[Case]:
    turns = count()
    for step in steps:
        for fault in Fault:
            if (step.undo or fault != Fault.AFTER_ITS_UNDO) and (is_local_first(step) or fault not in _LOST):
                yield Case(step, (Strike(name_of(step.do), fault),))
                for refusal in REFUSALS:
                    if refusal.step == step:
                        yield Case(step, (Strike(name_of(step.do), fault),), refusal, next(turns))


def _of_undos(steps: Sequence[AnyStep]) -> Iterator[Case]:
    turns = count()
    for step in _undone(steps):
        for trigger in triggers(step, steps):
            for fault in Fault:
                if fault not in (Fault.AFTER_ITS_UNDO, Fault.IS_A_BUG, *_LOST):
                    strike = Strike(name_of(step.undo), fault, is_undo=True)
                    yield Case(step, (strike,), trigger, None if trigger.reason is None else next(turns))


def _of_pairs(steps: Sequence[AnyStep]) -> Iterator[Case]:
    turns = count()
    for step in _undone(steps):
        reasons = triggers(step, steps)
        for row, do_kind in enumerate(DO_KINDS):
            for column, undo_kind in enumerate(UNDO_KINDS):
                do = Strike(name_of(step.do), do_kind[column % len(do_kind)])
                undo = Strike(name_of(step.undo), undo_kind[row % len(undo_kind)], is_undo=True)
                yield Case(step, (do, undo), reasons[(row + column) % len(reasons)], next(turns))


def _undone(steps: Iterable[AnyStep]) -> list[AnyStep]:
    return [step for step in steps if step.undo]
