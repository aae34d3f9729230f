"""Records beside the steps: where a checkout waits, what staff did, which events the provider sent."""

from temporalio import activity

from checkout.db import checkouts, payment_events
from checkout.db.session import Database
from checkout.domain.events import CAPTURE_TYPES, OF_TEST_MODE, EventMatch, OwnEvents, PaymentEvent
from checkout.domain.messages import StaffAction, StatusChange


class AuditActivities:
    """Small writes that nothing has to undo; each may run twice.

    ``own_events``: which of the provider's events are ours, and so reach a checkout.
    """

    def __init__(self, database: Database, own_events: OwnEvents = OF_TEST_MODE) -> None:
        self._database = database
        self._own_events = own_events

    @activity.defn
    async def await_whole_task(self) -> None:
        """Write nothing. When this returns, a workflow has been given everything that came with its present task."""

    @activity.defn
    async def record_status(self, change: StatusChange) -> None:
        """Move the checkout's row to the status, if the row may go there from where it is."""
        await checkouts.change_status(self._database, change)

    @activity.defn
    async def record_staff_action(self, action: StaffAction) -> None:
        """Add a line to the audit log."""
        await checkouts.record_staff_action(self._database, action)

    @activity.defn
    async def record_payment_events(self, events: list[PaymentEvent]) -> list[EventMatch]:
        """Put the events into the inbox, each once. Returns of each, in their order, which checkout it concerns, and
        whether that knew it before. One of another mode or account concerns none, and is kept all the same.
        """
        are_foreign = [not self._own_events.include(event) for event in events]
        return await payment_events.record(self._database, events, are_foreign, CAPTURE_TYPES)
