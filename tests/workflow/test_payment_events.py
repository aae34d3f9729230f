"""The story of notifications: whatever they say and whenever they come, the provider's books decide."""

import time
import uuid
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from checkout.domain.commands import Cancel
from checkout.domain.events import EventOutcome, PaymentEvent
from checkout.domain.states import CheckoutStatus
from checkout.temporal.names import TASK_QUEUE
from tests.support.sandbox_shop import SandboxShop
from tests.support.shop import Handle
from tests.support.waiting import until
from workflows.checkout import CheckoutWorkflow
from workflows.payment_events import PaymentEventsWorkflow


@pytest.fixture
def shop(sandbox_shop: SandboxShop) -> SandboxShop:
    return sandbox_shop


async def tell(
    shop: SandboxShop,
    reference: str,
    checkout_id: str | None = None,
    event_id: str | None = None,
    type: str = "payment_intent.succeeded",
) -> str:
    """Have the provider's news of an intent passed on; what came of it."""
    event = news(reference, checkout_id, event_id, type)
    return (await (await tell_together(shop, event)).result())[event.event_id]


def news(
    reference: str,
    checkout_id: str | None = None,
    event_id: str | None = None,
    type: str = "payment_intent.succeeded",
    **origin: Any,
) -> PaymentEvent:
    event_id = event_id or f"evt_{uuid.uuid4().hex}"
    return PaymentEvent(event_id, type, reference, checkout_id, int(time.time()), **origin)


async def tell_together(
    shop: SandboxShop, *events: PaymentEvent
) -> WorkflowHandle[PaymentEventsWorkflow, dict[str, EventOutcome]]:
    """Have several passed on in one workflow; that of one has the event's id, as the webhook gives it."""
    name = events[0].event_id if len(events) == 1 else f"events_{uuid.uuid4().hex}"
    return await shop.client.start_workflow(
        PaymentEventsWorkflow.run,
        list(events),
        id=name,
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
    )


async def cancelled(shop: SandboxShop) -> Handle:
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    await undone(handle)
    return handle


async def undone(handle: Handle) -> None:
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    assert (await handle.result()).status == CheckoutStatus.CANCELLED


async def test_an_event_reaches_a_running_checkout(shop: SandboxShop) -> None:
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    intent = await shop.value("SELECT provider_reference FROM payments")
    assert await tell(shop, intent, event_id="evt_1") == "applied"
    timeline = await until(
        lambda: handle.query(CheckoutWorkflow.timeline), lambda entries: any(one.reason == "evt_1" for one in entries)
    )
    assert [one.actor for one in timeline if one.kind == "event"] == ["provider"]
    await shop.sandbox.http.post(f"/sandbox/authenticate/{intent}/approve")
    assert await tell(shop, intent) == "applied"
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED


async def test_an_event_without_our_metadata_finds_its_checkout_by_the_intent(shop: SandboxShop) -> None:
    await (await shop.start()).result()
    assert await tell(shop, await shop.value("SELECT provider_reference FROM payments")) == "known"
    assert await shop.value("SELECT status FROM payment_events") == "applied"


async def test_an_unmatched_event_stays_in_the_inbox(shop: SandboxShop) -> None:
    assert await tell(shop, "pi_unknown", "chk_unknown") == "unmatched"
    assert await shop.row("SELECT checkout_id, status FROM payment_events") == {
        "checkout_id": "chk_unknown",
        "status": "unmatched",
    }


@pytest.mark.parametrize("origin", [{"livemode": True}, {"account": "acct_1"}], ids=str)
async def test_a_foreign_event_reaches_no_checkout_whichever_it_names(
    shop: SandboxShop, origin: dict[str, Any]
) -> None:
    handle = await cancelled(shop)
    stray = await shop.charge_beside_the_books(handle.id)
    foreign = news(stray, handle.id, "evt_1", **origin)
    told = await tell_together(shop, foreign, news("pi_unknown", event_id="evt_2", livemode=False))
    assert await told.result() == {"evt_1": "foreign", "evt_2": "unmatched"}
    metadata = await told.query("__temporal_workflow_metadata")
    assert "of another account. It is kept, and has no effect." in metadata.current_details
    assert await shop.held_minor(handle.id) == 2580
    assert await tell(shop, stray, handle.id) == "refunded"


async def test_a_foreign_event_stays_foreign_whatever_is_found_out_later(shop: SandboxShop) -> None:
    """The checkout that it names hears from the provider, its intent is charged, and the books are compared."""
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    intent = await shop.value("SELECT provider_reference FROM payments")
    told = await tell_together(shop, news(intent, handle.id, "evt_1", livemode=True))
    assert await told.result() == {"evt_1": "foreign"}
    await shop.sandbox.http.post(f"/sandbox/authenticate/{intent}/approve")
    assert await tell(shop, intent, event_id="evt_2") == "applied"
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    assert (await shop.reconcile()).found == 0
    assert await shop.value("SELECT status FROM payment_events WHERE event_id = 'evt_1'") == "foreign"
    timeline = await handle.query(CheckoutWorkflow.timeline)
    assert [one.reason for one in timeline if one.kind == "event"] == ["evt_2"]


async def test_a_confirmed_sale_keeps_its_money(shop: SandboxShop) -> None:
    handle = await shop.start()
    await handle.result()
    intent = await shop.value("SELECT provider_reference FROM payments")
    assert await tell(shop, intent, handle.id, type="payment_intent.processing") == "nothing_held"
    assert await shop.held_minor(handle.id) == 2580


async def test_an_event_of_a_recorded_capture_asks_the_provider_nothing(shop: SandboxShop) -> None:
    handle = await shop.start()
    await handle.result()
    intent = await shop.value("SELECT provider_reference FROM payments")
    assert await tell(shop, intent, handle.id, event_id="evt_1") == "known"
    history = await shop.client.get_workflow_handle("evt_1").fetch_history()
    assert not any(event.HasField("activity_task_scheduled_event_attributes") for event in history.events)


async def test_an_event_of_another_intent_asks_the_provider(shop: SandboxShop) -> None:
    handle = await shop.start()
    await handle.result()
    assert await tell(shop, await shop.charge_beside_the_books(handle.id), handle.id) != "known"
    assert (await shop.reconcile()).repaired == 1
    assert await shop.held_minor(handle.id) == 2580


async def test_money_captured_after_the_end_is_refunded_at_once(shop: SandboxShop) -> None:
    handle = await cancelled(shop)
    intent = await shop.charge_beside_the_books(handle.id)
    assert await tell(shop, intent, handle.id) == "refunded"
    assert await shop.held_minor(handle.id) == 0
    assert await tell(shop, intent, handle.id) == "nothing_held"
    assert len((await shop.sandbox.ledger())["refunds"]) == 1
    assert (await shop.reconcile()).found == 0


async def test_an_event_of_a_checkout_past_retention_is_looked_into(shop: SandboxShop) -> None:
    async with shop.engine.begin() as connection:
        columns, values = "checkout_id, status, reason", "'chk_old', 'compensating', 'payment_declined'"
        await connection.execute(text(f"INSERT INTO checkouts ({columns}) VALUES ({values})"))
        await connection.execute(text("UPDATE checkouts SET status = 'cancelled'"))
    intent = await shop.charge_beside_the_books("chk_old")
    assert await tell(shop, intent, "chk_old") == "refunded"
    assert await shop.held_minor("chk_old") == 0


async def test_a_second_delivery_starts_nothing(shop: SandboxShop) -> None:
    await tell(shop, "pi_unknown", event_id="evt_1")
    with pytest.raises(WorkflowAlreadyStartedError):
        await tell(shop, "pi_unknown", event_id="evt_1")


async def test_a_second_delivery_among_others_changes_nothing(shop: SandboxShop) -> None:
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    event = news(await shop.value("SELECT provider_reference FROM payments"), event_id="evt_1")
    for companion in ("evt_2", "evt_3"):
        told = await tell_together(shop, event, news("pi_unknown", event_id=companion))
        assert await told.result() == {"evt_1": "applied", companion: "unmatched"}
    timeline = await until(
        lambda: handle.query(CheckoutWorkflow.timeline), lambda entries: any(one.reason == "evt_1" for one in entries)
    )
    assert [one.reason for one in timeline if one.kind == "event"] == ["evt_1"]
    assert await shop.value("SELECT count(*) FROM payment_events") == 3
    await undone(handle)


async def test_each_event_of_a_batch_has_its_own_outcome(shop: SandboxShop) -> None:
    ended, sold = await cancelled(shop), await shop.start()
    await sold.result()
    stray = await shop.charge_beside_the_books(ended.id)
    sale = await shop.value(f"SELECT provider_reference FROM payments WHERE checkout_id = '{sold.id}'")
    told = await tell_together(
        shop, news(stray, ended.id, "evt_1"), news("pi_unknown", event_id="evt_2"), news(sale, event_id="evt_3")
    )
    assert await told.result() == {"evt_1": "refunded", "evt_2": "unmatched", "evt_3": "known"}
    assert await shop.held_minor(ended.id) == 0


async def test_an_event_that_has_to_wait_does_not_delay_the_others(shop: SandboxShop) -> None:
    ended = await cancelled(shop)
    stray = await shop.charge_beside_the_books(ended.id)
    waiting = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for(
        f"SELECT status FROM checkouts WHERE checkout_id = '{waiting.id}'", lambda status: status == "awaiting_payment"
    )
    await shop.sandbox.set_faults(outage=True)
    told = await tell_together(shop, news(stray, ended.id, "evt_1"), news("pi_1", waiting.id, "evt_2"))
    details = await until(
        lambda: told.query("__temporal_workflow_metadata"), lambda now: "**applied**" in now.current_details
    )
    assert "**being passed on**" in details.current_details
    await shop.sandbox.set_faults(outage=False)
    assert await told.result() == {"evt_1": "refunded", "evt_2": "applied"}
    await undone(waiting)


async def test_an_open_checkout_without_a_workflow_is_left_to_reconciliation(shop: SandboxShop) -> None:
    handle = await shop.start("pm_card_authenticationRequired")
    await shop.wait_for("SELECT status FROM checkouts", lambda status: status == "awaiting_payment")
    await handle.terminate()
    intent = await shop.value("SELECT provider_reference FROM payments")
    await shop.sandbox.http.post(f"/sandbox/authenticate/{intent}/approve")
    assert await tell(shop, intent, handle.id) == "not_ended"
    assert (await shop.reconcile()).repaired == 1
    assert await shop.held_minor(handle.id) == 0


async def test_the_ui_shows_the_outcome_of_an_event(shop: SandboxShop) -> None:
    await tell(shop, "pi_unknown", event_id="evt_1")
    metadata = await shop.client.get_workflow_handle("evt_1").query("__temporal_workflow_metadata")
    assert "unmatched" in metadata.current_details
