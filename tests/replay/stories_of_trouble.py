"""What is recorded while a server is away, and of the workflows beside the checkouts; one after the other."""

from checkout.domain.commands import Cancel, ResolvePayment
from checkout.domain.reconcile import ReconcileReport, ReconcileRequest
from checkout.domain.states import CheckoutStatus
from checkout.temporal.names import HOLD_WORKFLOW_ID, TASK_QUEUE
from tests.replay.stories import AT_THE_BANK, HASTY, STAFF, awaiting, end
from tests.replay.studio import Handle, Studio
from workflows.checkout import CheckoutWorkflow
from workflows.reconcile import STAGES, ReconcileWorkflow


async def cancelled_before_the_first_step(place: Studio) -> None:
    """No worker runs yet, and a checkout is cancelled."""
    await (await place.checkout("early")).cancel()


async def end_of_the_early_one(place: Studio) -> None:
    """What became of it."""
    await end(place, place.client.get_workflow_handle_for(CheckoutWorkflow.run, "chk_early"), "cancelled_at_once")


async def books_that_agree(place: Studio) -> None:
    """A comparison before anything was bought."""
    await _comparison(place, "reconciled_without_a_mismatch")


async def database_away(place: Studio) -> None:
    """PostgreSQL is stopped before a first step, and before an undo; both wait until it is back."""
    undone = await awaiting(place, "database_away_undo")
    async with place.postgres.away():
        begun = await place.checkout("database_away")
        await undone.cancel()
        for handle in (begun, undone):
            await _a_try_has_failed(place, handle)
        await place.keep(begun, "open_waiting_for_the_database")
    await end(place, begun, "confirmed_after_the_database_was_away")
    await end(place, undone, "undone_after_the_database_was_away")


async def provider_away(place: Studio) -> None:
    """The provider is away: undos wait and are shown as stuck, and a person's word counts alone."""
    undoing = await awaiting(place, "compensating", AT_THE_BANK)
    stuck = await awaiting(place, "compensation_stuck", AT_THE_BANK, HASTY)
    await place.sandbox.set_faults(outage=True)
    taken = await place.checkout("silent_captured", timeouts=HASTY)
    nothing = await place.checkout("silent_nothing", timeouts=HASTY)
    for handle in (undoing, stuck):
        await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    for handle in (taken, nothing):
        await place.at(handle, CheckoutStatus.PAYMENT_STUCK)
    await _a_try_has_failed(place, undoing)
    await place.keep(undoing, "open_compensating")
    await place.at(stuck, CheckoutStatus.COMPENSATION_STUCK)
    await place.keep(stuck, "open_compensation_stuck")
    await _comparison(place, "reconciled_without_the_provider")
    proof = ResolvePayment(*STAFF, captured=True, provider_reference="pi_seen")
    await taken.execute_update(CheckoutWorkflow.resolve_payment, proof)
    await nothing.execute_update(CheckoutWorkflow.resolve_payment, ResolvePayment(*STAFF, captured=False))
    await place.sandbox.set_faults(outage=False)
    await end(place, undoing, "undone_after_the_provider_was_away")
    await end(place, stuck, "compensation_stuck_then_landed")
    await end(place, taken, "resolved_as_captured_by_word_alone")
    await end(place, nothing, "resolved_as_not_charged_by_word_alone")


async def account_held(place: Studio) -> None:
    """The provider takes no payment from our account for a while, and one asks for all."""
    await place.sandbox.set_faults(account="cannot_charge")
    waiting = await place.checkout("held")
    await place.at(waiting, CheckoutStatus.PAYMENT_STUCK)
    await place.keep(waiting, "open_payment_held")
    await place.sandbox.set_faults(account="normal")
    await end(place, waiting, "held_then_confirmed")
    hold = place.client.get_workflow_handle(HOLD_WORKFLOW_ID)
    await hold.result()
    await place.keep(hold, "hold_released")


async def events_after_the_end(place: Studio) -> None:
    """News of payments whose checkout nobody knows, or nobody works on any more."""
    assert await place.tell("event_unmatched", "pi_unknown") == "unmatched"
    sold = await place.checkout("told_sold")
    await sold.result()
    assert await place.tell("event_known", await place.reference_of(sold), sold.id) == "known"
    of_live_mode = await place.tell("event_foreign", await place.reference_of(sold), sold.id, livemode=True)
    assert of_live_mode == "foreign"
    undone = await awaiting(place, "told_undone", AT_THE_BANK)
    await undone.cancel()
    await undone.result()
    assert await place.tell("event_nothing_held", await place.reference_of(undone), undone.id) == "nothing_held"
    another_programs = await place.charge_beside_the_books(undone.id, mark="another program")
    assert await place.tell("event_not_ours", another_programs, undone.id) == "not_ours"
    await place.refund_beside_the_books(another_programs)
    stray = await place.charge_beside_the_books(undone.id)
    together = [("pi_nobodys", None), (await place.reference_of(sold), sold.id), (stray, undone.id)]
    assert await place.tell_together("events_together", *together) == ["unmatched", "known", "given_back"]
    abandoned = await awaiting(place, "told_abandoned", AT_THE_BANK)
    await abandoned.terminate()
    assert await place.tell("event_not_ended", await place.reference_of(abandoned), abandoned.id) == "not_ended"


async def comparisons(place: Studio) -> None:
    """What was terminated is undone, money of nobody goes back, what was tampered with waits for a person."""
    await place.charge_beside_the_books("chk_never_seen")
    await _comparison(place, "reconciled_with_repairs")
    await place.tamper("UPDATE products SET reserved = 1 WHERE sku = 'FREE'")
    report = await _comparison(place, "reconciled_for_a_person")
    await place.tamper("UPDATE products SET reserved = 0 WHERE sku = 'FREE'")
    last = ReconcileRequest(grace_seconds=0, report=report, stage=len(STAGES) - 1)
    await _comparison(place, "reconciled_where_it_was_continued", last)


async def _comparison(place: Studio, name: str, request: ReconcileRequest | None = None) -> ReconcileReport:
    handle = await place.client.start_workflow(
        ReconcileWorkflow.run,
        request or ReconcileRequest(grace_seconds=0),
        id=f"reconcile-{name}",
        task_queue=TASK_QUEUE,
    )
    report = await handle.result()
    await place.keep(handle, name)
    return report


async def _a_try_has_failed(place: Studio, handle: Handle) -> None:
    await place.seen(
        handle, lambda is_: any(a.HasField("last_failure") for a in is_.raw_description.pending_activities)
    )


BEFORE_THE_OTHERS = (end_of_the_early_one, books_that_agree)
AFTER_THE_OTHERS = (database_away, provider_away, account_held, events_after_the_end, comparisons)
