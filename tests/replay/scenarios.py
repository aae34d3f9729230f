"""What is recorded of checkouts while every server is well: each ending, and each state that waits.

A scenario plays what it is named for, and keeps the history under a name. Scenarios share the servers and run side by
side, so none may depend on how long something takes, or touch what another one needs.
"""

import asyncio
from contextlib import suppress

from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError

from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment, SubmitPayment
from checkout.domain.events import PaymentEvent
from checkout.domain.messages import Line, Timeouts
from checkout.domain.states import CheckoutStatus, Reason
from tests.replay.recording import MANY_EVENTS, Recording
from tests.support.shop import Handle, until_status
from workflows.checkout import CheckoutWorkflow

#: Support is called, and the payment window closes, after a second.
HASTY = Timeouts(payment_stuck_after_seconds=1, provider_timeout_seconds=2)
SHORT_WINDOW = Timeouts(payment_window_seconds=1)
VISA = SubmitPayment("pm_card_visa")
DECLINED = "pm_card_visa_chargeDeclined"
AT_THE_BANK = "pm_card_authenticationRequired"
STAFF = ("support:desk", "the customer calls")


async def end(recording: Recording, handle: Handle, name: str) -> None:
    """Wait for the ending and keep it."""
    await handle.result()
    await recording.keep(handle, name)


async def awaiting(recording: Recording, name: str, method: str = DECLINED, timeouts: Timeouts | None = None) -> Handle:
    """A checkout whose customer has the turn."""
    handle = await recording.checkout(name, method, timeouts=timeouts or Timeouts())
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    return handle


async def stuck(recording: Recording, name: str, method: str = "pm_sandbox_unavailable") -> Handle:
    """A checkout whose payment waits for support."""
    handle = await recording.checkout(name, method, timeouts=HASTY)
    await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    return handle


async def refused(update: object) -> None:
    """An update that the workflow refuses with an error, which is in its history too."""
    with suppress(WorkflowUpdateFailedError):
        await update  # type: ignore[misc]  # any of the workflow's updates


async def confirmed(recording: Recording) -> None:
    """At the first try; for nothing; and where the provider needs to be asked twice."""
    await end(recording, await recording.checkout("confirmed"), "confirmed")
    free = await recording.checkout("free", lines=(Line("FREE", 1),))
    await end(recording, free, "confirmed_for_nothing")
    for fault in ("lost_response", "error_after_charge", "flaky"):
        await end(recording, await recording.checkout(fault, f"pm_sandbox_{fault}"), f"confirmed_after_{fault}")


async def rejected(recording: Recording) -> None:
    """For each reason that there is before anybody pays."""
    await end(recording, await recording.checkout("unknown_sku", lines=(Line("NONE", 1),)), "rejected_unknown_sku")
    await end(recording, await recording.checkout("out_of_stock", lines=(Line("MUG", 5000),)), "rejected_out_of_stock")
    await end(recording, await recording.checkout("currency", currency="USD"), "rejected_currency_mismatch")
    await end(recording, await recording.checkout("price", expected_total_minor=2579), "rejected_price_changed")
    await end(recording, await recording.checkout("too_large", lines=(Line("YACHT", 2),)), "rejected_total_too_large")
    await (await recording.checkout("cart_first", cart_id="cart_1")).result()
    await end(recording, await recording.checkout("cart_again", cart_id="cart_1"), "rejected_cart_already_ordered")


async def declined(recording: Recording) -> None:
    """Paid in another way; given up; declined too often."""
    other = await awaiting(recording, "declined")
    await recording.keep(other, "open_awaiting_another_method")
    await other.execute_update(CheckoutWorkflow.submit_payment, VISA)
    await refused(other.execute_update(CheckoutWorkflow.submit_payment, VISA))
    await end(recording, other, "declined_then_paid_in_another_way")
    late = await recording.checkout("declined_late", DECLINED, timeouts=SHORT_WINDOW)
    await end(recording, late, "declined_then_window_expired")
    often = await awaiting(recording, "declined_often", timeouts=Timeouts(max_attempts=2))
    await often.execute_update(CheckoutWorkflow.submit_payment, SubmitPayment(DECLINED))
    await end(recording, often, "declined_too_often")


async def authenticated(recording: Recording) -> None:
    """Approved; failed; not done in time; and paid in another way instead."""
    approved = await awaiting(recording, "approved", AT_THE_BANK)
    await recording.keep(approved, "open_awaiting_authentication")
    await recording.at_the_bank(approved, "approve")
    await end(recording, approved, "authentication_approved")
    failed = await awaiting(recording, "failed", AT_THE_BANK)
    await recording.at_the_bank(failed, "fail")
    while (await failed.query(CheckoutWorkflow.status)).payment.status != "declined":
        await asyncio.sleep(0.05)
    await until_status(failed, CheckoutStatus.AWAITING_PAYMENT)
    await failed.execute_update(CheckoutWorkflow.submit_payment, VISA)
    await end(recording, failed, "authentication_failed_then_paid")
    late = await recording.checkout("authentication_late", AT_THE_BANK, timeouts=SHORT_WINDOW)
    await end(recording, late, "authentication_expired")
    other = await awaiting(recording, "authentication_replaced", AT_THE_BANK)
    await other.execute_update(CheckoutWorkflow.submit_payment, VISA)
    await end(recording, other, "authentication_replaced")


async def continued(recording: Recording) -> None:
    """So many events come that another run goes on, and the customer approves there."""
    handle = await awaiting(recording, "continued", AT_THE_BANK)
    first = recording.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    told = 0
    while (now := await handle.describe()).run_id == handle.first_execution_run_id:
        if now.history_length < MANY_EVENTS + 20:
            event = PaymentEvent(f"evt_continued_{told}", "payment_intent.processing", "pi_1", None, 1_767_225_600)
            await handle.signal(CheckoutWorkflow.payment_event, event)
            told += 1
        await asyncio.sleep(0.05)
    await recording.keep(first, "continued_as_new")
    await recording.at_the_bank(handle, "approve")
    await end(recording, handle, "continued_as_new_then_approved")


async def pending(recording: Recording) -> None:
    """The bank takes its time; an event makes the look come sooner."""
    handle = await recording.checkout("pending", "pm_sandbox_processing")
    while (await handle.query(CheckoutWorkflow.status)).payment.status != "pending":
        await asyncio.sleep(0.05)
    await recording.keep(handle, "open_pending_at_the_bank")
    assert await recording.tell("event_applied", await recording.reference_of(handle), handle.id) == "applied"
    await end(recording, handle, "pending_then_captured")


async def charging(recording: Recording) -> None:
    """A try is under way, and the provider refuses it for now."""
    handle = await recording.checkout("charging", "pm_sandbox_unavailable")
    await recording.described(handle, lambda is_: any(a.attempt > 1 for a in is_.raw_description.pending_activities))
    await recording.keep(handle, "open_charging")
    await handle.cancel()
    await end(recording, handle, "cancelled_by_operator_while_charging")


async def stuck_and_solved(recording: Recording) -> None:
    """By the provider itself, and by support in each way."""
    itself = await stuck(recording, "stuck_itself", "pm_sandbox_late_capture")
    again = await stuck(recording, "stuck_retried")
    await recording.keep(again, "open_payment_stuck")
    await again.execute_update(CheckoutWorkflow.retry_payment, RetryPayment(*STAFF, "pm_card_visa"))
    await end(recording, again, "stuck_then_retried")
    taken = await stuck(recording, "stuck_captured")
    reference = await recording.charge_beside_the_books(taken.id)
    word = ResolvePayment(*STAFF, captured=True, provider_reference=reference)
    await refused(taken.execute_update(CheckoutWorkflow.resolve_payment, word))
    await end(recording, taken, "stuck_then_resolved_as_captured")
    await end(recording, itself, "stuck_then_captured_by_itself")


async def stuck_and_not_charged(recording: Recording) -> None:
    """Support finds that nothing was taken, is contradicted, or gives up."""
    nothing = await stuck(recording, "stuck_not_charged")
    await nothing.execute_update(CheckoutWorkflow.resolve_payment, ResolvePayment(*STAFF, captured=False))
    await until_status(nothing, CheckoutStatus.AWAITING_PAYMENT)
    await nothing.execute_update(CheckoutWorkflow.submit_payment, VISA)
    await end(recording, nothing, "stuck_then_resolved_as_not_charged")
    given_up = await stuck(recording, "stuck_cancelled")
    lie = ResolvePayment(*STAFF, captured=True, provider_reference="pi_unknown")
    await refused(given_up.execute_update(CheckoutWorkflow.resolve_payment, lie))
    await given_up.execute_update(CheckoutWorkflow.cancel, Cancel(Reason.CANCELLED_BY_SUPPORT, *STAFF))
    await end(recording, given_up, "stuck_then_cancelled_by_support")


async def cancelled(recording: Recording) -> None:
    """By whom it may be, while the customer has the turn."""
    customer = await awaiting(recording, "cancelled_customer")
    await customer.execute_update(CheckoutWorkflow.cancel, Cancel())
    await end(recording, customer, "cancelled_by_customer")
    operator = await awaiting(recording, "cancelled_operator")
    await operator.cancel()
    await end(recording, operator, "cancelled_by_operator")


async def given_back(recording: Recording) -> None:
    """Another amount was taken than the order's."""
    wrong = await recording.checkout("wrong_amount", "pm_sandbox_wrong_amount")
    await end(recording, wrong, "amount_mismatch")


async def failed(recording: Recording) -> None:
    """A step meets what no try can help: at the beginning, and when the money is taken already."""
    columns = "checkout_id, status, customer_id, currency, reason"
    values = "'chk_too_late', 'compensating', 'cus_42', 'EUR', 'cancelled_by_customer'"
    await recording.tamper(f"INSERT INTO checkouts ({columns}) VALUES ({values})")
    early = await recording.checkout("too_late")
    late = await awaiting(recording, "tampered", AT_THE_BANK)
    await recording.tamper(f"UPDATE orders SET total_minor = total_minor + 1 WHERE checkout_id = '{late.id}'")
    await recording.at_the_bank(late, "approve")
    for handle, name in ((early, "bug_at_the_first_step"), (late, "bug_at_the_last_step")):
        with suppress(WorkflowFailureError):
            await handle.result()
        await recording.keep(handle, name)


async def ended_before(recording: Recording) -> None:
    """Temporal has forgotten the checkout, and its tables have not."""
    for name, method in (("again", "pm_card_visa"), ("again_undone", "pm_sandbox_wrong_amount")):
        await (await recording.checkout(name, method)).result()
        ending = "confirmed" if method == "pm_card_visa" else "cancelled"
        await end(recording, await recording.checkout(name, method), f"ended_before_as_{ending}")


TOGETHER = (
    confirmed,
    rejected,
    declined,
    authenticated,
    continued,
    pending,
    charging,
    stuck_and_solved,
    stuck_and_not_charged,
    cancelled,
    given_back,
    failed,
    ended_before,
)
