"""The story of one notification: write it down once, and have the checkout that it concerns look at its payment."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.policies import database, provider_undo
from workflows.saga import Saga

with workflow.unsafe.imports_passed_through():
    from activities.records import RecordActivities
    from activities.repair import RepairActivities
    from checkout.domain.requests import Patience, PaymentEvent

#: What Temporal says when there is no workflow (any more) to take a signal.
_NOBODY_THERE = "ExternalWorkflowExecutionNotFound"

#: What came of the event -> the sentence for an operator who opens the workflow in the UI.
_SENTENCES = {
    "unmatched": "No checkout of this payment is known. The event stays in the inbox until there is one.",
    "known": "The checkout had been paid with this and confirmed before the event came.",
    "applied": "The checkout was told, and looks at its payment.",
    "given_back": "The checkout had ended without an order, and the provider held its money: it was **given back**.",
    "nothing_held": "The checkout had ended, and the provider holds no money that it should not.",
    "not_ended": "The checkout is open, and its workflow is gone. Reconciliation undoes it.",
}


@workflow.defn(name="PaymentEventWorkflow")
class PaymentEventWorkflow:
    """Started by the webhook under the event's own id, so that a second delivery starts nothing."""

    @workflow.run
    async def run(self, event: PaymentEvent) -> str:
        """Answers what came of it: unmatched, known, applied, or after the end given_back, nothing_held, not_ended.

        The event is only a reason to look: whatever it says, and in whatever order events come, the provider is asked.
        """
        about = f"`{event.type}` about `{event.provider_reference}`"
        workflow.set_current_details(f"{about}: being passed on.")
        outcome = await self._pass_on(event)
        workflow.set_current_details(f"{about}: **{outcome}**\n\n{_SENTENCES[outcome]}")
        return outcome

    async def _pass_on(self, event: PaymentEvent) -> str:
        saga = Saga(Patience())
        answer = await saga.ask(RecordActivities.record_payment_event, event, database, "write it down")
        if answer.checkout_id is None:
            return "unmatched"
        if answer.is_known:
            return "known"
        try:
            await workflow.get_external_workflow_handle(answer.checkout_id).signal("payment_event", event)
        except ApplicationError as error:
            if error.type != _NOBODY_THERE:
                raise
            return await saga.ask(RepairActivities.settle_after_end, event, provider_undo, "look for money left behind")
        return "applied"
