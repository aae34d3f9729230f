"""The story of the provider's notifications: write them down once, and have each checkout look at its payment."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.policies import database, provider_undo
from workflows.saga import Saga

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities
    from activities.reconciliation.orphan_payments import OrphanPaymentActivities
    from checkout.domain.messages import EventMatch, PaymentEvent, Timeouts

#: What Temporal says when there is no workflow (any more) to take a signal.
_NOBODY_THERE = "ExternalWorkflowExecutionNotFound"

#: What came of an event -> the sentence for an operator who opens the workflow in the UI.
_SENTENCES = {
    "foreign": "It is of the provider's other mode, or of another account. It is kept, and nobody was told.",
    "unmatched": "No checkout of this payment is known. The event stays in the inbox until there is one.",
    "known": "The checkout had been paid with this and confirmed before the event came.",
    "applied": "The checkout was told, and looks at its payment.",
    "given_back": "The checkout had ended without an order, and the provider held its money: it was **given back**.",
    "nothing_held": "The checkout had ended, and the provider holds no money that it should not.",
    "not_ended": "The checkout is open, and its workflow is gone. Reconciliation undoes it.",
}


@workflow.defn(name="PaymentEventsWorkflow")
class PaymentEventsWorkflow:
    """Started by the webhook with the events that came together: under load several, otherwise one."""

    @workflow.init
    def __init__(self, events: list[PaymentEvent]) -> None:
        self._events = events
        self._outcomes: dict[str, str] = {}
        self._saga = Saga(Timeouts())

    @workflow.run
    async def run(self, events: list[PaymentEvent]) -> dict[str, str]:
        """Answers by event id what came of each: foreign, unmatched, known, applied, or after the end given_back,
        nothing_held, not_ended.

        An event is only a reason to look: whatever it says, and in whatever order events come, the provider is asked.
        """
        self._tell()
        answers = await self._saga.ask(AuditActivities.record_payment_events, events, database, "write them down")
        passed_on = (self._pass_on(event, answer) for event, answer in zip(events, answers, strict=True))
        # One that fails does not keep the others from their ends.
        for failure in await asyncio.gather(*passed_on, return_exceptions=True):
            if failure:
                raise failure
        return self._outcomes

    async def _pass_on(self, event: PaymentEvent, answer: EventMatch) -> None:
        self._outcomes[event.event_id] = await self._outcome(event, answer)
        self._tell()

    async def _outcome(self, event: PaymentEvent, answer: EventMatch) -> str:
        if answer.is_foreign:
            return "foreign"
        if answer.checkout_id is None:
            return "unmatched"
        if answer.is_known:
            return "known"
        try:
            await workflow.get_external_workflow_handle(answer.checkout_id).signal("payment_event", event)
        except ApplicationError as error:
            if error.type != _NOBODY_THERE:
                raise
            summary = f"look for money left behind: {event.provider_reference}"
            return await self._saga.ask(OrphanPaymentActivities.settle_after_end, event, provider_undo, summary)
        return "applied"

    def _tell(self) -> None:
        """Say in the UI what has come of each."""
        events = "\n".join(
            f"* `{event.type}` about `{event.provider_reference}`: "
            f"**{self._outcomes.get(event.event_id, 'being passed on')}**"
            for event in self._events
        )
        met = [f"{outcome}: {told}" for outcome, told in _SENTENCES.items() if outcome in self._outcomes.values()]
        workflow.set_current_details("\n\n".join([events, *met]))
