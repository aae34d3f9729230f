"""Every fault that there is, by its name."""

from checkout_lab.chaos.faults import clients, network, postgres, processes, provider, webhooks, workflow
from checkout_lab.chaos.faults.base import Fault, ForbiddenResponse, Inject, Place, Shoppers

__all__ = ["FAULTS", "Fault", "ForbiddenResponse", "Inject", "Place", "Shoppers"]

#: name -> the fault.
FAULTS: dict[str, Fault] = {
    fault.name: fault
    for room in (
        processes,
        workflow,
        network,
        postgres,
        provider,
        webhooks,
        clients,
    )
    for fault in room.FAULTS
}
