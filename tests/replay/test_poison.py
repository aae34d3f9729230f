"""What cannot be read: a workflow's input, a signal, an update. It harms nobody else, and an operator can see it."""

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError

from checkout.domain.payments import Charge
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.temporal.names import TASK_QUEUE
from tests.support.shop import Shop, until_status
from tests.support.waiting import until
from workflows.checkout import CheckoutWorkflow


async def _is_tried_again(handle: WorkflowHandle[Any, Any]) -> int:
    return (await handle.describe()).raw_description.pending_workflow_task.attempt


async def test_an_unreadable_input_fails_only_its_own_workflow_tasks(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    poisoned = await shop.client.start_workflow(
        "CheckoutWorkflow", {"checkout_id": "chk_poison"}, id="chk_poison", task_queue=TASK_QUEUE
    )
    await until(lambda: _is_tried_again(poisoned), lambda attempt: attempt > 1)

    assert (await shop.buy()).status == CheckoutStatus.CONFIRMED
    (failed,) = [
        event.workflow_task_failed_event_attributes.failure
        async for event in poisoned.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]
    assert failed.message == "Failed decoding arguments"
    assert "Failed activation on workflow CheckoutWorkflow with ID chk_poison" in caplog.text
    await poisoned.cancel()  # There is no code that could hear it.
    assert (await poisoned.describe()).status == WorkflowExecutionStatus.RUNNING
    await poisoned.terminate()


async def test_unreadable_messages_change_nothing_of_a_checkout(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.gateway.charge_result = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "insufficient_funds")
    handle = await shop.start()
    before = await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    await handle.signal("payment_event", "rubbish")
    await handle.signal("no_such_signal")
    for update, argument in (("submit_payment", 5), ("cancel", {"reason": "no_such_reason"}), ("no_such_update", None)):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(update, argument)

    assert await handle.query(CheckoutWorkflow.status) == before
    assert "Failed deserializing signal input for payment_event" in caplog.text
    assert "dropping the signal" in caplog.text
    shop.gateway.charge_result = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    await handle.execute_update("submit_payment", {"payment_method": "pm_other"})
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
