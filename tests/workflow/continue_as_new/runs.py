"""Checkouts that wait, and have so many events that another run goes on."""

import asyncio
from typing import Any

from temporalio.converter import DataConverter

from checkout.domain.errors import OutcomeUnknown
from checkout.domain.events import PaymentEvent
from checkout.domain.messages import CheckoutRequest, Timeouts
from checkout.domain.resume import Resume
from checkout.domain.states import CheckoutStatus, PaymentStatus
from tests.support.charges import DECLINED, PENDING
from tests.support.shop import Handle, Shop, until_status
from workflows.checkout import CheckoutWorkflow

#: The server suggests a new run from so many events on.
EVENTS = 50


async def run_of(handle: Handle) -> str:
    return (await handle.describe()).run_id


async def tell(handle: Handle, event_id: str) -> None:
    """The provider has news: a reason to look, and some events more in the history."""
    event = PaymentEvent(event_id, "payment_intent.processing", "pi_1", None, 0)
    await handle.signal(CheckoutWorkflow.payment_event, event)


async def next_run(handle: Handle) -> Resume:
    """Have events come until another run goes on; what that run was told."""
    first, n = await handle.describe(), 0
    while (await run_of(handle)) == first.run_id:
        if (await handle.describe()).history_length < EVENTS + 20:
            await tell(handle, f"evt_{first.run_id}_{n}")
            n += 1
        await handle.query(CheckoutWorkflow.status)
    return await resume_of(handle)


async def resume_of(handle: Handle) -> Resume:
    first = await anext(handle.fetch_history_events(page_size=1))
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    [request] = await DataConverter.default.decode(payloads, [CheckoutRequest])
    assert isinstance(request.resume, Resume)
    return request.resume


async def at_the_bank(shop: Shop) -> Handle:
    shop.gateway.charge_result = shop.gateway.find_result = PENDING
    handle = await shop.start()
    while (await handle.query(CheckoutWorkflow.status)).payment.status != PaymentStatus.PENDING:
        await asyncio.sleep(0)
    return handle


async def stuck(shop: Shop) -> Handle:
    shop.gateway.charge_results[1] = shop.gateway.void_result = OutcomeUnknown("away")
    handle = await shop.start(timeouts=Timeouts(payment_stuck_after_seconds=1))
    await until_status(handle, CheckoutStatus.PAYMENT_STUCK)
    return handle


async def awaiting(shop: Shop, answer: Any = DECLINED, **timeouts: Any) -> Handle:
    shop.gateway.charge_result = shop.gateway.find_result = answer
    handle = await shop.start(timeouts=Timeouts(**timeouts))
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    return handle
