"""The shop that tests buy in: the product's own worker on a real Temporal server and a real PostgreSQL::

async with open_shop(client, engine) as shop:
    shop.gateway.charge_result = DECLINED
    view = await shop.buy()

Its payment provider obeys the test; `tests.support.sandbox_shop` has one with the sandbox provider.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from checkout.config.settings import WorkerSettings
from checkout.db.session import Database
from checkout.domain.messages import CheckoutRequest, Line
from checkout.domain.states import CheckoutStatus
from checkout.domain.view import CheckoutView
from checkout.temporal.names import TASK_QUEUE
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.tables import Tables
from worker import build_worker
from workflows.checkout import CheckoutWorkflow

Handle = WorkflowHandle[Any, CheckoutView]


@dataclass
class Customers(Tables):
    """Who starts checkouts, and the tables in which these end."""

    client: Client

    #: What differs from `start_checkout` in every checkout here.
    usual: ClassVar[Mapping[str, Any]] = {}

    async def start(
        self, payment_method: str = "pm_card_visa", checkout_id: str | None = None, **changes: Any
    ) -> Handle:
        """Start a checkout; see `start_checkout`."""
        request = {**self.usual, "payment_method": payment_method, **changes}
        return await start_checkout(self.client, checkout_id or f"chk_{uuid.uuid4().hex}", **request)

    async def buy(self, **changes: Any) -> CheckoutView:
        """Start a checkout and wait for its end."""
        return await (await self.start(**changes)).result()


@dataclass
class Shop(Customers):
    """A worker whose provider obeys the test, and customers."""

    gateway: ScriptedGateway


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
async def open_shop(
    client: Client,
    engine: AsyncEngine,
    gateway: ScriptedGateway | None = None,
    runner: WorkflowRunner | None = None,
) -> AsyncIterator[Shop]:
    """Open it for the block, within the SDK's workflow sandbox unless a ``runner`` is given."""
    gateway = gateway or ScriptedGateway()
    runner = runner or SandboxedWorkflowRunner()
    async with build_worker(client, Database(engine), gateway, WorkerSettings(), runner):
        yield Shop(engine, client, gateway)


async def until_status(handle: Handle, status: CheckoutStatus) -> CheckoutView:
    """Query until the checkout is in this state; the test's own time-out bounds it."""
    while (view := await handle.query(CheckoutWorkflow.status)).status != status:
        await asyncio.sleep(0)
    return view
