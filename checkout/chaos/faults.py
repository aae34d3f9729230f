"""Every fault that there is, by its name."""

from checkout.chaos import (
    faults_clients,
    faults_network,
    faults_postgres,
    faults_processes,
    faults_provider,
    faults_webhooks,
    faults_workflow,
)
from checkout.chaos.faults_base import Fault, Harm, Inject, Place, Shoppers

__all__ = ["FAULTS", "Fault", "Harm", "Inject", "Place", "Shoppers"]

#: name -> the fault.
FAULTS: dict[str, Fault] = {
    fault.name: fault
    for room in (
        faults_processes,
        faults_workflow,
        faults_network,
        faults_postgres,
        faults_provider,
        faults_webhooks,
        faults_clients,
    )
    for fault in room.FAULTS
}
