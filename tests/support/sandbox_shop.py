"""A shop whose servers are all real, the provider included; its books can be broken and compared::

async with open_sandbox_shop(client, engine, sandbox) as shop:
    handle = await shop.start("pm_sandbox_unavailable")
    report = await shop.reconcile()
"""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowHandle

from checkout.config.settings import WorkerSettings
from checkout.db.session import Database
from checkout.domain.messages import Timeouts
from checkout.domain.reconcile import Mismatch, ReconcileReport, ReconcileRequest
from checkout.payments.stripe.gateway import StripeGateway
from checkout.temporal.names import TASK_QUEUE
from tests.support.attempts import attempt
from tests.support.sandbox_server import SandboxServer
from tests.support.shop import Customers
from worker import build_worker
from workflows.reconcile import ReconcileWorkflow


@dataclass
class SandboxShop(Customers):
    """A worker whose provider is the sandbox, and customers."""

    sandbox: SandboxServer
    gateway: StripeGateway

    usual: ClassVar[Mapping[str, Any]] = {
        "timeouts": Timeouts(payment_stuck_after_seconds=2, provider_timeout_seconds=2)
    }

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

    async def charge_beside_the_books(
        self, checkout_id: str, key: str = "stray", method: str = "pm_card_visa", mark: str | None = None
    ) -> str:
        """Take money for the checkout that its tables know nothing of; returns the intent's id.

        ``mark`` is whose it is; this deployment's by default.
        """
        mark = mark or await self.value("SELECT mark FROM deployment")
        stray = attempt(method, checkout_id=checkout_id, idempotency_key=f"{checkout_id}-{key}", deployment=mark)
        return (await self.gateway.charge(stray)).provider_reference

    async def held_minor(self, checkout_id: str) -> int:
        """What the provider's own ledger says that we hold of a checkout's money."""
        books = await self.sandbox.ledger()
        ours: dict[str, int] = {one["id"]: one["amount_received"] for one in await self.sandbox.intents_of(checkout_id)}
        back: int = sum(one["amount"] for one in books["refunds"] if one["payment_intent"] in ours)
        return sum(ours.values()) - back


@asynccontextmanager
async def open_sandbox_shop(
    client: Client, engine: AsyncEngine, sandbox: SandboxServer, *, api_key: str | None = None
) -> AsyncIterator[SandboxShop]:
    """Open it for the block; its worker has the sandbox's key unless another is given."""
    settings = sandbox.payment_settings(timeout_seconds=2)
    if api_key:
        settings = settings.model_copy(update={"stripe_api_key": SecretStr(api_key)})
    gateway = StripeGateway(settings)
    async with build_worker(client, Database(engine), gateway, WorkerSettings()):
        yield SandboxShop(engine, client, sandbox, gateway)
    await gateway.close()
