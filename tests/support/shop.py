"""A shop to test the story in: real activities on a real PostgreSQL, and a provider that obeys the test."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from checkout.config.settings import WorkerSettings
from checkout.db.session import Database
from checkout.domain.messages import CheckoutRequest, Line
from checkout.domain.states import CheckoutStatus
from checkout.domain.view import CheckoutView
from checkout.temporal.names import TASK_QUEUE
from tests.support.scripted_gateway import ScriptedGateway
from worker import build_worker
from workflows.checkout import CheckoutWorkflow

Handle = WorkflowHandle[Any, CheckoutView]


@dataclass
class Shop:
    """A worker on the test's database, and a client to start checkouts with."""

    client: Client
    engine: AsyncEngine
    gateway: ScriptedGateway

    async def start(self, checkout_id: str | None = None, **changes: Any) -> Handle:
        return await start_checkout(self.client, checkout_id or f"chk_{uuid.uuid4().hex}", **changes)

    async def buy(self, **changes: Any) -> CheckoutView:
        return await (await self.start(**changes)).result()

    async def value(self, statement: str) -> Any:
        row = await Database(self.engine).one(text(statement), {})
        return row[0] if row else None


async def start_checkout(client: Client, checkout_id: str, **changes: Any) -> Handle:
    """Start a checkout of two mugs for EUR 25.80, unless ``changes`` say otherwise; the same id may start again."""
    request = {
        "checkout_id": checkout_id,
        "customer_id": "cus_42",
        "cart_id": None,
        "currency": "EUR",
        "lines": (Line("MUG", 2),),
        "payment_method": "pm_card_visa",
        "expected_total_minor": 2580,
        "requested_at": "2026-01-01T00:00:00.000+00:00",
    } | changes
    return await client.start_workflow(
        CheckoutWorkflow.run,
        CheckoutRequest(**request),
        id=checkout_id,
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )


@asynccontextmanager
async def open_shop(client: Client, engine: AsyncEngine) -> AsyncIterator[Shop]:
    gateway = ScriptedGateway()
    async with build_worker(client, Database(engine), gateway, WorkerSettings(), SandboxedWorkflowRunner()):
        yield Shop(client, engine, gateway)


async def until(handle: Handle, status: CheckoutStatus) -> CheckoutView:
    """Ask until the checkout is in this state; the test's own time-out bounds it."""
    while (view := await handle.query(CheckoutWorkflow.status)).status != status:
        await asyncio.sleep(0)
    return view
