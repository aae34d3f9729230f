"""Where histories are recorded: real servers of their own, a worker, and what a story needs to set its scene::

async with studio(before_the_worker) as place:
    handle = await place.checkout("declined", "pm_card_visa_chargeDeclined")
    await place.at(handle, CheckoutStatus.AWAITING_PAYMENT)
    await place.keep(handle, "declined_open")
"""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle, WorkflowHistory

from checkout.config.settings import DatabaseSettings, TemporalSettings, WorkerSettings
from checkout.db.migrate import migrate
from checkout.db.session import Database, create_engine
from checkout.domain.events import PaymentEvent
from checkout.domain.states import CheckoutStatus
from checkout.domain.view import CheckoutView
from checkout.payments.stripe.gateway import StripeGateway
from checkout.temporal.client import connect
from checkout.temporal.names import TASK_QUEUE
from lab.stack.processes.ports import claim_free_port
from lab.stack.processes.process import Child, running
from lab.stack.servers.postgres import EmbeddedPostgres
from lab.stack.servers.temporal import DevTemporal
from tests.support.attempts import attempt
from tests.support.sandbox_server import SandboxServer, sandbox_server
from tests.support.shop import start_checkout
from worker import build_worker
from workflows.checkout import CheckoutWorkflow
from workflows.payment_events import PaymentEventsWorkflow

Handle = WorkflowHandle[Any, CheckoutView]
log = logging.getLogger("tests.studio")
#: More than any story has but one, whose checkout goes on in another run.
MANY_EVENTS = 120
_SHELF = {"MUG": 1290, "FREE": 0, "YACHT": 999_999_999_999}


@dataclass
class Studio:
    """The servers, and the histories recorded so far by their names."""

    client: Client
    engine: AsyncEngine
    sandbox: SandboxServer
    gateway: StripeGateway
    postgres: "Postgres"
    temporal: TemporalSettings
    kept: dict[str, WorkflowHistory] = field(default_factory=dict)

    async def checkout(self, name: str, payment_method: str = "pm_card_visa", **changes: Any) -> Handle:
        """Start a checkout of two mugs for EUR 25.80, by default; ``name`` becomes part of its id."""
        unless_changed = {"payment_method": payment_method, "expected_total_minor": None}
        return await start_checkout(self.client, f"chk_{name}", **(unless_changed | changes))

    async def tell(self, name: str, reference: str, checkout_id: str | None = None, *, livemode: bool = False) -> str:
        """Have news of an intent passed on, keep that workflow's history, and answer what came of it."""
        [outcome] = await self.tell_together(name, (reference, checkout_id), livemode=livemode)
        return outcome

    async def tell_together(self, name: str, *news: tuple[str, str | None], livemode: bool = False) -> list[str]:
        """The same for news of several intents, each with the checkout that it names, in one workflow."""
        kind = "payment_intent.succeeded"
        events = [PaymentEvent(f"evt_{name}_{i}", kind, *each, 1_767_225_600, livemode) for i, each in enumerate(news)]
        handle = await self.client.start_workflow(
            PaymentEventsWorkflow.run, events, id=f"evt_{name}", task_queue=TASK_QUEUE
        )
        outcomes = await handle.result()
        await self.keep(handle, name)
        return [outcomes[event.event_id] for event in events]

    async def at(self, handle: Handle, status: CheckoutStatus) -> CheckoutView:
        """Wait until the checkout is in this state."""
        while (view := await handle.query(CheckoutWorkflow.status)).status != status:
            await asyncio.sleep(0.05)
        return view

    async def seen(self, handle: WorkflowHandle[Any, Any], is_so: Callable[[WorkflowExecutionDescription], Any]) -> Any:
        """Wait until Temporal describes the workflow so."""
        while not is_so(description := await handle.describe()):
            await asyncio.sleep(0.05)
        return description

    async def keep(self, handle: WorkflowHandle[Any, Any], name: str) -> None:
        """Record the history as it is once its worker has nothing to do for it."""
        await self.seen(handle, lambda is_: not is_.raw_description.HasField("pending_workflow_task"))
        self.kept[name] = await handle.fetch_history()
        log.info("%s: %d events", name, len(self.kept[name].events))

    async def value(self, statement: str, **parameters: Any) -> Any:
        """The first value that the statement finds."""
        row = await Database(self.engine).one(text(statement), parameters)
        return row[0] if row else None

    async def reference_of(self, handle: Handle) -> str:
        """The provider's name of the checkout's intent."""
        found = "SELECT provider_reference FROM payments WHERE checkout_id = :id AND provider_reference IS NOT NULL"
        while not (reference := await self.value(found, id=handle.id)):
            await asyncio.sleep(0.05)
        return str(reference)

    async def at_the_bank(self, handle: Handle, does: str) -> None:
        """The customer approves the payment, or fails to: ``approve`` or ``fail``."""
        await self.sandbox.http.post(f"/sandbox/authenticate/{await self.reference_of(handle)}/{does}")

    async def charge_beside_the_books(self, checkout_id: str, mark: str | None = None) -> str:
        """Take money for the checkout that its tables know nothing of; returns the intent's id.

        ``mark`` is whose it is; this deployment's by default.
        """
        key = f"{checkout_id}-{mark or 'stray'}".replace(" ", "-")
        mark = mark or await self.value("SELECT mark FROM deployment")
        stray = attempt("pm_card_visa", checkout_id=checkout_id, idempotency_key=key, deployment=mark)
        return (await self.gateway.charge(stray)).provider_reference

    async def refund_beside_the_books(self, reference: str) -> None:
        """Give money back at the provider's dashboard."""
        response = await self.sandbox.http.post("/sandbox/dashboard/refund", json={"payment_intent": reference})
        response.raise_for_status()

    async def tamper(self, statement: str) -> None:
        """Change rows behind the back of every rule of the tables."""
        async with self.engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            await connection.execute(text(statement))


class Postgres:
    """The database server, which can be away for a moment."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._child: Child | None = None

    async def start(self) -> None:
        """Start it and wait until it serves."""
        self._child = await Child.start(self.server.program(), _say)
        await self._child.ready()

    async def stop(self) -> None:
        """Stop it, cutting every connection."""
        if self._child:
            child, self._child = self._child, None
            await child.stop()

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Stopped within the block."""
        await self.stop()
        try:
            yield
        finally:
            await self.start()


@asynccontextmanager
async def servers(*temporal_flags: str) -> AsyncIterator[Studio]:
    """Every server on free ports and throw-away data, with MUGs on the shelf, and no worker."""
    async with AsyncExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="checkout-histories-"))
        stack.callback(shutil.rmtree, directory)
        postgres = Postgres(EmbeddedPostgres(directory / "postgres", _port(stack), fsync=False))
        await postgres.server.prepare()
        stack.push_async_callback(postgres.stop)
        await postgres.start()
        engine = await _filled(postgres.server)
        stack.push_async_callback(engine.dispose)
        temporal = DevTemporal(_port(stack))
        program = temporal.program()
        program = replace(program, command=(*program.command, *temporal_flags))
        await stack.enter_async_context(running(program, _say))
        sandbox = await stack.enter_async_context(sandbox_server(directory))
        gateway = StripeGateway(sandbox.payment_settings(timeout_seconds=2))
        stack.push_async_callback(gateway.close)
        yield Studio(await connect(temporal.settings), engine, sandbox, gateway, postgres, temporal.settings)


@asynccontextmanager
async def studio(before_the_worker: Callable[[Studio], Awaitable[None]]) -> AsyncIterator[Studio]:
    """The servers, and a worker in this process; ``before_the_worker`` runs while nobody polls."""
    async with servers("--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={MANY_EVENTS}") as place:
        await before_the_worker(place)
        async with build_worker(place.client, Database(place.engine), place.gateway, WorkerSettings()):
            yield place


def _port(stack: AsyncExitStack) -> int:
    return stack.enter_context(claim_free_port()).port


async def _filled(server: EmbeddedPostgres) -> AsyncEngine:
    await server.create_database("checkout")
    settings = DatabaseSettings.model_validate({"url": server.url("checkout")})
    await migrate(settings)
    engine = create_engine(settings)
    rows = ", ".join(f"('{sku}', 'Article {sku}', {price}, 'EUR', 1000, 1000)" for sku, price in _SHELF.items())
    async with engine.begin() as connection:
        await connection.execute(
            text(f"INSERT INTO products (sku, name, price_minor, currency, on_hand, received) VALUES {rows}")
        )
    return engine


def _say(role: str, line: str) -> None:
    # Servers that are stopped on purpose complain; whoever looks for a fault sets the level to DEBUG.
    log.debug("%s | %s", role, line)
