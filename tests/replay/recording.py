"""Where histories are recorded: real servers of their own, a worker, and what a scenario needs to set its scene::

async with record_in(before_the_worker) as recording:
    handle = await recording.checkout("declined", "pm_card_visa_chargeDeclined")
    await until_status(handle, CheckoutStatus.AWAITING_PAYMENT)
    await recording.keep(handle, "declined_open")
"""

import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowExecutionDescription, WorkflowHandle, WorkflowHistory

from checkout.config.settings import DatabaseSettings, TemporalSettings, WorkerSettings
from checkout.db.migrate import migrate
from checkout.db.session import Database, create_engine
from checkout.domain.events import PaymentEvent
from checkout.payments.stripe.gateway import StripeGateway
from checkout.temporal.client import connect
from checkout.temporal.names import TASK_QUEUE
from checkout_lab.stack.processes.ports import claim_free_port
from checkout_lab.stack.processes.process import Child, running
from checkout_lab.stack.servers.postgres import EmbeddedPostgres
from checkout_lab.stack.servers.temporal import DevTemporal
from tests.support.sandbox_server import sandbox_server
from tests.support.sandbox_shop import SandboxShop
from tests.support.shop import Handle
from tests.support.stock import put_on_shelves
from tests.support.waiting import until
from worker import build_worker
from workflows.payment_events import PaymentEventsWorkflow

log = logging.getLogger("tests.recording")
#: More than any scenario has but one, whose checkout goes on in another run.
MANY_EVENTS = 120
_SHELF = {"MUG": 1290, "FREE": 0, "YACHT": 999_999_999_999}


@dataclass
class Recording(SandboxShop):
    """A shop, and the histories recorded so far by their names."""

    postgres: "Postgres"
    temporal: TemporalSettings
    kept: dict[str, WorkflowHistory] = field(default_factory=dict)

    #: Scenarios buy other things, and wait as long as the product does.
    usual: ClassVar[Mapping[str, Any]] = {"expected_total_minor": None}

    async def checkout(self, name: str, payment_method: str = "pm_card_visa", **changes: Any) -> Handle:
        """Start a checkout; ``name`` becomes part of its id."""
        return await self.start(payment_method, f"chk_{name}", **changes)

    async def tell(self, name: str, reference: str, checkout_id: str | None = None, *, livemode: bool = False) -> str:
        """Have news of an intent passed on, keep that workflow's history, and return what came of it."""
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

    async def described(
        self, handle: WorkflowHandle[Any, Any], is_so: Callable[[WorkflowExecutionDescription], Any]
    ) -> WorkflowExecutionDescription:
        """Wait until Temporal describes the workflow so."""
        return await until(handle.describe, is_so)

    async def keep(self, handle: WorkflowHandle[Any, Any], name: str) -> None:
        """Record the history as it is once its worker has nothing to do for it."""
        await self.described(handle, lambda is_: not is_.raw_description.HasField("pending_workflow_task"))
        self.kept[name] = await handle.fetch_history()
        log.info("%s: %d events", name, len(self.kept[name].events))

    async def reference_of(self, handle: Handle) -> str:
        """The provider's name of the checkout's intent."""
        found = "SELECT provider_reference FROM payments WHERE checkout_id = :id AND provider_reference IS NOT NULL"
        return str(await until(lambda: self.value(found, id=handle.id), bool))

    async def at_the_bank(self, handle: Handle, does: str) -> None:
        """The customer approves the payment, or fails to: ``approve`` or ``fail``."""
        await self.sandbox.http.post(f"/sandbox/authenticate/{await self.reference_of(handle)}/{does}")

    async def refund_beside_the_books(self, reference: str) -> None:
        """Give money back at the provider's dashboard."""
        response = await self.sandbox.http.post("/sandbox/dashboard/refund", json={"payment_intent": reference})
        response.raise_for_status()


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
async def servers(*temporal_flags: str) -> AsyncIterator[Recording]:
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
        yield Recording(engine, await connect(temporal.settings), sandbox, gateway, postgres, temporal.settings)


@asynccontextmanager
async def recorder(before_the_worker: Callable[[Recording], Awaitable[None]]) -> AsyncIterator[Recording]:
    """The servers, and a worker in this process; ``before_the_worker`` runs while nobody polls."""
    async with servers("--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={MANY_EVENTS}") as recording:
        await before_the_worker(recording)
        async with build_worker(recording.client, Database(recording.engine), recording.gateway, WorkerSettings()):
            yield recording


def _port(stack: AsyncExitStack) -> int:
    return stack.enter_context(claim_free_port()).port


async def _filled(server: EmbeddedPostgres) -> AsyncEngine:
    await server.create_database("checkout")
    settings = DatabaseSettings.model_validate({"url": server.url("checkout")})
    await migrate(settings)
    engine = create_engine(settings)
    await put_on_shelves(engine, {sku: (price, "EUR", 1000) for sku, price in _SHELF.items()})
    return engine


def _say(role: str, line: str) -> None:
    # Servers that are stopped on purpose complain; whoever looks for a fault sets the level to DEBUG.
    log.debug("%s | %s", role, line)
