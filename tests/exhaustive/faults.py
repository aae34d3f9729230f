"""What may go wrong with an activity, where it may, and why a step is undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from checkout.domain.states import Reason
from workflows.checkout import CHARGE_PAYMENT, CREATE_ORDER, RESERVE_STOCK
from workflows.saga import Step

AnyStep = Step[Any, Any]
UNIT_PRICE_MINOR, TOTAL_MINOR, ON_HAND = 1290, 2580, 5


class Fault(StrEnum):
    """What goes wrong with the first run of an activity, or what goes wrong around it."""

    FAILS_BEFORE = "fails before its effect"
    FAILS_AFTER = "fails after its effect"
    KEEPS_FAILING = "keeps failing"
    IS_A_BUG = "meets a bug"
    RUNS_TWICE = "runs twice"
    RUNS_TWICE_AT_ONCE = "runs twice at once"
    AFTER_ITS_UNDO = "returns after its undo"
    AFTER_ITS_SECOND_TRY = "returns after its second try"
    CUSTOMER_CANCELS = "the customer cancels in its middle"
    OPERATOR_CANCELS = "an operator cancels in its middle"
    LOSES_ITS_TASK = "its workflow task is lost"
    CUSTOMER_CANCELS_AS_IT_IS_LOST = "its task is lost and the customer cancels"
    OPERATOR_CANCELS_AS_IT_IS_LOST = "its task is lost and an operator cancels"
    TERMINATED = "is terminated in its middle"
    TERMINATED_AND_LATE = "is terminated and returns later"


TWICE = (Fault.RUNS_TWICE, Fault.RUNS_TWICE_AT_ONCE)
CANCELLED = (Fault.CUSTOMER_CANCELS, Fault.OPERATOR_CANCELS)
TERMINATED = (Fault.TERMINATED, Fault.TERMINATED_AND_LATE)
#: What befalls only a local activity: it did it, and the workflow task in which it ran never came to the server.
LOST = (Fault.LOSES_ITS_TASK, Fault.CUSTOMER_CANCELS_AS_IT_IS_LOST, Fault.OPERATOR_CANCELS_AS_IT_IS_LOST)

Kinds = Mapping[str, tuple[Fault, ...]]
#: The kinds of which pairs are made; where a kind has variants, the pairs take turns at them.
DO_KINDS: Final[Kinds] = {
    "fails before": (Fault.FAILS_BEFORE,),
    "fails after": (Fault.FAILS_AFTER,),
    "runs twice": TWICE,
    "too late": (Fault.AFTER_ITS_UNDO, Fault.AFTER_ITS_SECOND_TRY),
    "cancelled": CANCELLED,
    "terminated": TERMINATED,
}
UNDO_KINDS: Final[Kinds] = {**DO_KINDS, "too late": (Fault.AFTER_ITS_SECOND_TRY,)}


@dataclass(frozen=True)
class Trigger:
    """Why what was done has to be undone: ``step`` says no, for this ``reason``, to a request that is so ``changed``.

    Without a ``reason`` the step has a bug, as any step might: the one trigger that needs no knowledge of the step.
    """

    name: str
    step: AnyStep
    reason: Reason | None = None
    changed: dict[str, Any] = field(default_factory=dict, hash=False)
    timeouts: dict[str, Any] = field(default_factory=dict, hash=False)

    def undoes(self, step: AnyStep, steps: Sequence[AnyStep]) -> bool:
        """Whether the step is among those that are undone."""
        here, there = steps.index(step), steps.index(self.step)
        return step.undo is not None and (here < there or (here == there and step.undo_when_refused))


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
class Injection:
    """A fault of one activity."""

    activity: str
    fault: Fault
    is_undo: bool = False

    @property
    def holds(self) -> bool:
        """Whether it keeps the activity in its middle, while something happens to the workflow."""
        return self.fault in (Fault.AFTER_ITS_UNDO, Fault.AFTER_ITS_SECOND_TRY, *CANCELLED, *TERMINATED)

    def places(self, touches: int) -> list[int]:
        """Where it is injected into an activity that touches the world so often: 0 is before its effect."""
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
