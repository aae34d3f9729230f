"""One run of an activity, and what is planned for it."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.exhaustive.faults import Fault

if TYPE_CHECKING:
    from tests.exhaustive.trial import Trial


class PlannedFailure(Exception):
    """What a struck activity fails with."""


@dataclass(frozen=True)
class Plan:
    """A fault, and the touch before which it strikes. ``fails_locally``: only once a try within the task has failed."""

    fault: Fault
    place: int = 0
    fails_locally: bool = False


@dataclass
class Run:
    """One run of an activity. ``touched`` is how often it has touched the world."""

    trial: "Trial"
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
current_run: ContextVar[Run | None] = ContextVar("current_run", default=None)
