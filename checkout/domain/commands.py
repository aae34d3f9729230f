"""What people may command a checkout's workflow to do (updates), and why it refuses."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from checkout.domain.states import Reason


class UpdateRefusal(StrEnum):
    """Why a workflow refuses an update: the type of the ``ApplicationError`` that it raises."""

    NOT_CANCELLABLE = "NotCancellable"
    NOT_AWAITING_PAYMENT = "NotAwaitingPayment"
    NOT_STUCK = "NotStuck"
    ACTION_UNDER_WAY = "ActionUnderWay"
    OUTCOME_STILL_UNKNOWN = "OutcomeStillUnknown"
    #: The provider says otherwise than the person.
    CONTRADICTED = "Contradicted"
    #: Another run takes the workflow over in a moment; the same update may be sent again.
    BETWEEN_RUNS = "BetweenRuns"
    #: The update's id stands for another command.
    UPDATE_ID_REUSED = "UpdateIdReused"


@dataclass(frozen=True)
class Cancel:
    """The input of the update `cancel`: who asks, and why; staff say in a ``note`` why in their own words."""

    reason: Reason = Reason.CANCELLED_BY_CUSTOMER
    actor: str = "customer"
    note: str | None = None


#: *Cancel* in the Temporal UI, which tells neither who pressed it nor why.
CANCEL_BY_OPERATOR: Final = Cancel(Reason.CANCELLED_BY_OPERATOR, "operator")


@dataclass(frozen=True)
class SubmitPayment:
    """The input of the update `submit_payment`: the customer tries again."""

    payment_method: str


@dataclass(frozen=True)
class RetryPayment:
    """The input of the update `retry_payment`: ``actor`` has the stuck payment tried anew, with this or its method."""

    actor: str
    reason: str
    payment_method: str | None = None


@dataclass(frozen=True)
class ResolvePayment:
    """The input of the update `resolve_payment`: what ``actor`` knows of the stuck payment. ``captured`` or not."""

    actor: str
    reason: str
    captured: bool
    provider_reference: str | None = None


#: What support may have done with a stuck payment.
SupportCommand = RetryPayment | ResolvePayment
