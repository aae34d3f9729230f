"""A shop whose servers are all real, for tests that break its books and have them compared::

async with open_shop(client, engine, sandbox) as shop:
    handle = await shop.start(payment_method="pm_sandbox_unavailable")
    report = await shop.reconcile()
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowHandle

from checkout.config.settings import WorkerSettings
from checkout.db.session import Database
from checkout.domain.messages import CheckoutRequest, Line, Timeouts
from checkout.domain.reconcile import Mismatch, ReconcileReport, ReconcileRequest
from checkout.domain.view import CheckoutView
from checkout.payments.stripe.gateway import StripeGateway
from checkout.temporal.names import TASK_QUEUE
from tests.support.attempts import attempt
from tests.support.sandbox_server import SandboxServer
from tests.support.waiting import until
from worker import build_worker
from workflows.checkout import CheckoutWorkflow
from workflows.reconcile import ReconcileWorkflow

Handle = WorkflowHandle[Any, CheckoutView]


@dataclass
class Shop:
    """A worker on the test's database and provider, and a client to start workflows with."""

    client: Client
    engine: AsyncEngine
    sandbox: SandboxServer
    gateway: StripeGateway

    async def start(self, payment_method: str = "pm_card_visa") -> Handle:
        """Start a checkout of two mugs for EUR 25.80."""
        request = CheckoutRequest(
            checkout_id=f"chk_{uuid.uuid4().hex}",
            customer_id="cus_42",
            cart_id=None,
            currency="EUR",
            lines=(Line("MUG", 2),),
            payment_method=payment_method,
            expected_total_minor=2580,
            requested_at="2026-01-01T00:00:00.000+00:00",
            timeouts=Timeouts(payment_stuck_after_seconds=2, provider_timeout_seconds=2),
        )
        return await self.client.start_workflow(
            CheckoutWorkflow.run, request, id=request.checkout_id, task_queue=TASK_QUEUE
        )

    async def start_reconcile(self) -> WorkflowHandle[ReconcileWorkflow, ReconcileReport]:
        """Start a comparison that takes nothing for too new."""
        return await self.client.start_workflow(
            ReconcileWorkflow.run,
            ReconcileRequest(grace_seconds=0),
            id=f"reconcile-{uuid.uuid4()}",
            task_queue=TASK_QUEUE,
        )

    async def reconcile(self) -> ReconcileReport:
        """Compare everything."""
        return await (await self.start_reconcile()).result()

    async def found(self) -> list[tuple[str, bool]]:
        """Compare everything; the kinds of the mismatches, and whether each was repaired."""
        return [(one.kind, one.repaired) for one in (await self.reconcile()).mismatches]

    async def the_one_mismatch(self) -> Mismatch:
        """Compare everything, and find exactly one thing wrong."""
        report = await self.reconcile()
        (mismatch,) = report.mismatches
        return mismatch

    async def value(self, statement: str, **parameters: Any) -> Any:
        """The first value that the statement finds."""
        row = await Database(self.engine).one(text(statement), parameters)
        return row[0] if row else None

    async def wait_for(self, statement: str, is_so: Any) -> None:
        """Ask the database again until it says so."""
        await until(lambda: self.value(statement), is_so)

    async def tamper(self, statement: str) -> None:
        """Change rows behind the back of every rule of the tables."""
        async with self.engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            await connection.execute(text(statement))

    async def charge_beside_the_books(self, checkout_id: str, key: str = "stray", method: str = "pm_card_visa") -> str:
        """Take money for the checkout that its tables know nothing of; answers the intent's id."""
        mark = await self.value("SELECT mark FROM deployment")
        stray = attempt(method, checkout_id=checkout_id, idempotency_key=f"{checkout_id}-{key}", deployment=mark)
        return (await self.gateway.charge(stray)).provider_reference

    async def held_minor(self, checkout_id: str) -> int:
        """What the provider's own ledger says that we hold of a checkout's money."""
        books = await self.sandbox.ledger()
        ours: dict[str, int] = {one["id"]: one["amount_received"] for one in await self.sandbox.intents_of(checkout_id)}
        back: int = sum(one["amount"] for one in books["refunds"] if one["payment_intent"] in ours)
        return sum(ours.values()) - back


@asynccontextmanager
async def open_shop(client: Client, engine: AsyncEngine, sandbox: SandboxServer) -> AsyncIterator[Shop]:
    """Open it for one test."""
    gateway = StripeGateway(sandbox.payment_settings(timeout_seconds=2))
    async with build_worker(client, Database(engine), gateway, WorkerSettings()):
        yield Shop(client, engine, sandbox, gateway)
    await gateway.close()
