"""What is written down beside the steps: where a checkout waits, what staff did, what the provider told."""

from datetime import UTC, datetime

from temporalio import activity

from checkout.db import checkouts, payment_events
from checkout.db.session import Database
from checkout.domain.events import OF_TEST_MODE, EventMatch, OwnEvents, PaymentEvent
from checkout.domain.messages import StaffAction, StatusChange
from checkout.domain.states import TRANSITIONS


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
        await self._database.run(
            checkouts.CHANGE_STATUS,
            {
                "checkout_id": change.checkout_id,
                "status": change.status,
                "reason": change.reason,
                "actor": change.actor,
                # What stays in its state may stay there for another reason.
                "from_statuses": [
                    change.status,
                    *(before for before, after in TRANSITIONS["checkouts"] if after == change.status),
                ],
            },
        )

    @activity.defn
    async def record_staff_action(self, action: StaffAction) -> None:
        """Add a line to the audit log."""
        await self._database.run(
            checkouts.RECORD_ACTION,
            {
                "checkout_id": action.checkout_id,
                "action": action.action,
                "before": action.before,
                "after": action.after,
                "actor": action.actor,
                "reason": action.reason,
            },
        )

    @activity.defn
    async def record_payment_events(self, events: list[PaymentEvent]) -> list[EventMatch]:
        """Put the events into the inbox, each once; answers of each which checkout it concerns, and whether that knew
        it before, in their order. One of another mode or account concerns none, and is kept all the same.
        """
        are_foreign = [not self._own_events.include(event) for event in events]
        rows = await self._database.all(
            payment_events.RECORD,
            {
                "event_ids": [event.event_id for event in events],
                "types": [event.type for event in events],
                "provider_references": [event.provider_reference for event in events],
                "checkout_ids": [event.checkout_id for event in events],
                "created_at": [datetime.fromtimestamp(event.created, UTC) for event in events],
                "are_foreign": are_foreign,
            },
        )
        found = zip(rows, are_foreign, strict=True)
        return [EventMatch(row.checkout_id, row.is_known, is_foreign) for row, is_foreign in found]
