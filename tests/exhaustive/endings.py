"""What a case must come to, told from its faults and steps alone."""

from dataclasses import dataclass

from checkout.domain.states import CheckoutStatus, Reason
from tests.exhaustive.cases import Case, is_local_first
from tests.exhaustive.faults import TERMINATED, Fault

#: A do with one of these is followed by its undo, for this reason.
_BACK = {
    Fault.IS_A_BUG: Reason.INTERNAL_ERROR,
    Fault.OPERATOR_CANCELS: Reason.CANCELLED_BY_OPERATOR,
    Fault.CUSTOMER_CANCELS: Reason.CANCELLED_BY_CUSTOMER,
    Fault.AFTER_ITS_UNDO: Reason.CANCELLED_BY_CUSTOMER,
    Fault.OPERATOR_CANCELS_AS_IT_IS_LOST: Reason.CANCELLED_BY_OPERATOR,
    Fault.CUSTOMER_CANCELS_AS_IT_IS_LOST: Reason.CANCELLED_BY_CUSTOMER,
}


@dataclass(frozen=True)
class Ending:
    """How a case may end: the checkout's status, the reason if it is known, and how the workflow closes."""

    statuses: frozenset[CheckoutStatus]
    reason: Reason | None
    workflow: str


SOLD = Ending(frozenset({CheckoutStatus.CONFIRMED}), None, "completed")


def expected(case: Case) -> Ending:
    """The ending that the case's faults and trigger lead to."""
    back, refusal = _turns_back(case), _refusal(case)
    own = {refusal.ending if refusal else CheckoutStatus.CONFIRMED}
    if any(one.fault in TERMINATED for one in case.injections):
        # What is under way when it is terminated may still land, and the ending with it.
        own = set() if is_left_undone(case) else {back.ending} if back else own
        return Ending(frozenset({CheckoutStatus.CANCELLED, *own}), None, "terminated")
    if back not in (None, Reason.INTERNAL_ERROR) and _may_be_refused_first(case):
        return Ending(frozenset({CheckoutStatus.CANCELLED, *own}), None, "completed")
    reason = back or refusal
    if reason is None:
        return SOLD
    return Ending(frozenset({reason.ending}), reason, "failed" if reason == Reason.INTERNAL_ERROR else "completed")


def is_left_undone(case: Case) -> bool:
    """Whether it was terminated in a do that leaves the checkout open, so that only reconciliation can end it."""
    if case.step.undo is None or (case.trigger and case.trigger.step == case.step):
        return False
    return any(one.fault in TERMINATED and not one.is_undo for one in case.injections)


def _may_be_refused_first(case: Case) -> bool:
    """Whether a cancel may come too late for a refusal: one that has ended the checkout in the tables and left nothing
    to undo, or one of a local activity, in the workflow task before the one that brings the cancel.
    """
    if case.trigger is None or case.trigger.reason is None:
        return False
    ends_it = case.trigger.step == case.step and not case.step.undo_when_refused
    return ends_it or is_local_first(case.trigger.step)


def _turns_back(case: Case) -> Reason | None:
    """Why a do of the case is followed by its undo. A step without an undo is past the point of no return."""
    for one in case.injections:
        if one.fault in _BACK and not one.is_undo and (case.step.undo or one.fault == Fault.IS_A_BUG):
            return _BACK[one.fault]
    return None


def _refusal(case: Case) -> Reason | None:
    """Why the case's checkout would be undone without the faults."""
    return (case.trigger.reason or Reason.INTERNAL_ERROR) if case.trigger else None
