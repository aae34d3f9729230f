"""What passes between checkouts whose payments are held and the one workflow that asks for all of them."""

from dataclasses import dataclass

from checkout.domain.states import Reason


@dataclass(frozen=True)
class HoldRequest:
    """The input of `ProviderHoldWorkflow`: why payments are held, for an operator to read."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class Probe:
    """What came of asking the provider once for all, and how many checkouts ``waiting`` there were."""

    is_released: bool
    waiting: int


@dataclass(frozen=True)
class HoldView:
    """Where the hold stands: the result, and the query `progress`."""

    waiting: int = 0
    probes: int = 0
    told: int = 0
