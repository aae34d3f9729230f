"""What passes between checkouts whose payments are held and the one workflow that asks for all of them."""

from dataclasses import dataclass
from typing import Final

from checkout.domain.states import Reason

#: The workflow's type and its one id, as those use them who may not import it.
HOLD_WORKFLOW: Final = "ProviderHoldWorkflow"
HOLD_WORKFLOW_ID: Final = "provider-hold"
#: The signal that it has sent to each checkout that waits: payments are taken again.
RELEASED_SIGNAL: Final = "provider_released"


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
