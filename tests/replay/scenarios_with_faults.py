"""What is recorded while a server is away, and of the workflows beside the checkouts; one after the other."""

from checkout.domain.commands import Cancel, ResolvePayment
from checkout.domain.reconcile import ReconcileReport, ReconcileRequest
from checkout.domain.states import CheckoutStatus
from checkout.temporal.names import HOLD_WORKFLOW_ID, TASK_QUEUE
from tests.replay.recording import Recording
from tests.replay.scenarios import AT_THE_BANK, HASTY, STAFF, awaiting, end
from tests.support.shop import Handle, until_status
from workflows.checkout import CheckoutWorkflow
from workflows.reconcile import STAGES, ReconcileWorkflow


async def cancelled_before_the_first_step(recording: Recording) -> None:
    """No worker runs yet, and a checkout is cancelled."""
    await (await recording.checkout("early")).cancel()


async def end_of_the_early_one(recording: Recording) -> None:
    """What became of it."""
    await end(
        recording, recording.client.get_workflow_handle_for(CheckoutWorkflow.run, "chk_early"), "cancelled_at_once"
    )


async def books_that_agree(recording: Recording) -> None:
    """A comparison before anything was bought."""
    await _comparison(recording, "reconciled_without_a_mismatch")


async def database_away(recording: Recording) -> None:
    """PostgreSQL is stopped before a first step, and before an undo; both wait until it is back."""
    undone = await awaiting(recording, "database_away_undo")
    async with recording.postgres.away():
        begun = await recording.checkout("database_away")
        await undone.cancel()
        for handle in (begun, undone):
            await _a_try_has_failed(recording, handle)
        await recording.keep(begun, "open_waiting_for_the_database")
    await end(recording, begun, "confirmed_after_the_database_was_away")
    await end(recording, undone, "undone_after_the_database_was_away")


async def provider_away(recording: Recording) -> None:
    """The provider is away: undos wait and are shown as stuck, and a person's word counts alone."""
    undoing = await awaiting(recording, "compensating", AT_THE_BANK)
    stuck = await awaiting(recording, "compensation_stuck", AT_THE_BANK, HASTY)
    await recording.sandbox.set_faults(outage=True)
    taken = await recording.checkout("silent_captured", timeouts=HASTY)
    nothing = await recording.checkout("silent_nothing", timeouts=HASTY)
    for handle in (undoing, stuck):
        await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    for handle in (taken, nothing):
        await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    await _a_try_has_failed(recording, undoing)
    await recording.keep(undoing, "open_compensating")
    await until_status(stuck, CheckoutStatus.COMPENSATION_STUCK)
    await recording.keep(stuck, "open_compensation_stuck")
    await _comparison(recording, "reconciled_without_the_provider")
    proof = ResolvePayment(*STAFF, captured=True, provider_reference="pi_seen")
    await taken.execute_update(CheckoutWorkflow.resolve_payment, proof)
    await nothing.execute_update(CheckoutWorkflow.resolve_payment, ResolvePayment(*STAFF, captured=False))
    await recording.sandbox.set_faults(outage=False)
    await end(recording, undoing, "undone_after_the_provider_was_away")
    await end(recording, stuck, "compensation_stuck_then_landed")
    await end(recording, taken, "resolved_as_captured_by_word_alone")
    await end(recording, nothing, "resolved_as_not_charged_by_word_alone")


async def account_held(recording: Recording) -> None:
    """The provider takes no payment from our account for a while, and one asks for all."""
    await recording.sandbox.set_faults(account="cannot_charge")
    waiting = await recording.checkout("held")
    await until_status(waiting, CheckoutStatus.PAYMENT_STUCK)
    await recording.keep(waiting, "open_payment_held")
    await recording.sandbox.set_faults(account="normal")
    await end(recording, waiting, "held_then_confirmed")
    hold = recording.client.get_workflow_handle(HOLD_WORKFLOW_ID)
    await hold.result()
    await recording.keep(hold, "hold_released")


async def events_after_the_end(recording: Recording) -> None:
    """News of payments whose checkout nobody knows, or nobody works on any more."""
    assert await recording.tell("event_unmatched", "pi_unknown") == "unmatched"
    sold = await recording.checkout("told_sold")
    await sold.result()
    assert await recording.tell("event_known", await recording.reference_of(sold), sold.id) == "known"
    of_live_mode = await recording.tell("event_foreign", await recording.reference_of(sold), sold.id, livemode=True)
    assert of_live_mode == "foreign"
    undone = await awaiting(recording, "told_undone", AT_THE_BANK)
    await undone.cancel()
    await undone.result()
    assert await recording.tell("event_nothing_held", await recording.reference_of(undone), undone.id) == "nothing_held"
    another_programs = await recording.charge_beside_the_books(undone.id, "another-program", mark="another program")
    assert await recording.tell("event_not_ours", another_programs, undone.id) == "not_ours"
    await recording.refund_beside_the_books(another_programs)
    stray = await recording.charge_beside_the_books(undone.id)
    together = [("pi_nobodys", None), (await recording.reference_of(sold), sold.id), (stray, undone.id)]
    assert await recording.tell_together("events_together", *together) == ["unmatched", "known", "refunded"]
    abandoned = await awaiting(recording, "told_abandoned", AT_THE_BANK)
    await abandoned.terminate()
    assert await recording.tell("event_not_ended", await recording.reference_of(abandoned), abandoned.id) == "not_ended"


async def comparisons(recording: Recording) -> None:
    """What was terminated is undone, an orphan payment is refunded, what was tampered with waits for a person."""
    await recording.charge_beside_the_books("chk_never_seen")
    await _comparison(recording, "reconciled_with_repairs")
    await recording.tamper("UPDATE products SET reserved = 1 WHERE sku = 'FREE'")
    report = await _comparison(recording, "reconciled_for_a_person")
    await recording.tamper("UPDATE products SET reserved = 0 WHERE sku = 'FREE'")
    last = ReconcileRequest(grace_seconds=0, report=report, stage=len(STAGES) - 1)
    await _comparison(recording, "reconciled_where_it_was_continued", last)


async def _comparison(recording: Recording, name: str, request: ReconcileRequest | None = None) -> ReconcileReport:
    handle = await recording.client.start_workflow(
        ReconcileWorkflow.run,
        request or ReconcileRequest(grace_seconds=0),
        id=f"reconcile-{name}",
        task_queue=TASK_QUEUE,
    )
    report = await handle.result()
    await recording.keep(handle, name)
    return report


async def _a_try_has_failed(recording: Recording, handle: Handle) -> None:
    await recording.described(
        handle, lambda is_: any(a.HasField("last_failure") for a in is_.raw_description.pending_activities)
    )


BEFORE_THE_OTHERS = (end_of_the_early_one, books_that_agree)
AFTER_THE_OTHERS = (database_away, provider_away, account_held, events_after_the_end, comparisons)
