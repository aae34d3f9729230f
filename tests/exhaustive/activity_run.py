"""One run of an activity, and what is planned for it."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.exhaustive.faults import Fault

if TYPE_CHECKING:
    from tests.exhaustive.case_run import CaseRun


class PlannedFailure(Exception):
    """What an injected fault has an activity fail with."""


@dataclass(frozen=True)
class Plan:
    """A fault, and the touch before which it comes. ``fails_locally``: only once a try within the task has failed."""

    fault: Fault
    place: int = 0
    fails_locally: bool = False


@dataclass
class ActivityRun:
    """One run of an activity. ``touched`` is how often it has touched the world."""

    case_run: "CaseRun"
    activity: str
    is_local: bool
    plan: Plan | None = None
    touched: int = 0
    is_frozen: bool = False
    error: BaseException | None = None
    is_over: bool = False
    #: What there was of the checkout when a frozen run was let go, long after everybody else was done.
    found: dict[str, Any] | None = None


#: The run that the present task belongs to.
current_run: ContextVar[ActivityRun | None] = ContextVar("current_run", default=None)
