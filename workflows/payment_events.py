"""The provider's events: write each down once, and have its checkout look at its payment."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.activity_runner import ActivityRunner
from workflows.policies import database, provider_undo

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities
    from activities.reconciliation.orphan_payments import OrphanPaymentActivities
    from checkout.domain.events import EventMatch, EventOutcome, PaymentEvent
    from checkout.domain.messages import Timeouts
    from checkout.temporal.names import PAYMENT_EVENT_SIGNAL, PAYMENT_EVENTS_WORKFLOW

#: What Temporal says when there is no workflow (any more) to take a signal.
_NO_SUCH_WORKFLOW = "ExternalWorkflowExecutionNotFound"

#: What came of an event -> the sentence for an operator who opens the workflow in the UI.
_SENTENCES = {
    EventOutcome.FOREIGN: "It is of the provider's other mode or of another account. It is kept, and has no effect.",
    EventOutcome.UNMATCHED: "No checkout of this payment is known. The event stays in the inbox until there is one.",
    EventOutcome.KNOWN: "The checkout had been paid with this payment and confirmed before the event came.",
    EventOutcome.APPLIED: "The checkout was told, and asks the provider about its payment.",
    EventOutcome.REFUNDED: (
        "The checkout had ended without an order, and the provider held its money: the money was **refunded**."
    ),
    EventOutcome.NOTHING_HELD: "The checkout had ended, and the provider holds no money of it that it should not.",
    EventOutcome.NOT_ENDED: "The checkout is open, and its workflow is gone. The next comparison undoes it.",
    EventOutcome.NOT_OURS: "Another program made the payment, though it names a checkout here. It is not changed.",
}


@workflow.defn(name=PAYMENT_EVENTS_WORKFLOW)
class PaymentEventsWorkflow:
    """Started by the webhook with the events that came together: under load several, otherwise one."""

    @workflow.init
    def __init__(self, events: list[PaymentEvent]) -> None:
        self._events = events
        self._outcomes: dict[str, EventOutcome] = {}
        self._runner = ActivityRunner(Timeouts())

    @workflow.run
    async def run(self, events: list[PaymentEvent]) -> dict[str, EventOutcome]:
        """What came of each event, by its id.

        An event is only a reason to look: whatever it says, and in whatever order events come, the provider is asked.
        """
        self._tell()
        matches = await self._runner.run(AuditActivities.record_payment_events, events, database, "write them down")
        passed_on = (self._pass_on(event, match) for event, match in zip(events, matches, strict=True))
        # One that fails does not keep the others from their ends.
        for failure in await asyncio.gather(*passed_on, return_exceptions=True):
            if failure:
                raise failure
        return self._outcomes

    async def _pass_on(self, event: PaymentEvent, match: EventMatch) -> None:
        self._outcomes[event.event_id] = await self._outcome(event, match)
        self._tell()

    async def _outcome(self, event: PaymentEvent, match: EventMatch) -> EventOutcome:
        if match.is_foreign:
            return EventOutcome.FOREIGN
        if match.checkout_id is None:
            return EventOutcome.UNMATCHED
        if match.is_known:
            return EventOutcome.KNOWN
        try:
            await workflow.get_external_workflow_handle(match.checkout_id).signal(PAYMENT_EVENT_SIGNAL, event)
        except ApplicationError as error:
            if error.type != _NO_SUCH_WORKFLOW:
                raise
            summary = f"look for money left behind: {event.provider_reference}"
            return EventOutcome(
                await self._runner.run(OrphanPaymentActivities.settle_after_end, event, provider_undo, summary)
            )
        return EventOutcome.APPLIED

    def _tell(self) -> None:
        """Say in the UI what has come of each."""
        events = "\n".join(
            f"* `{event.type}` about `{event.provider_reference}`: "
            f"**{self._outcomes.get(event.event_id, 'being passed on')}**"
            for event in self._events
        )
        met = [f"{outcome}: {told}" for outcome, told in _SENTENCES.items() if outcome in self._outcomes.values()]
        workflow.set_current_details("\n\n".join([events, *met]))
