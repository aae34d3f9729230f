"""The servers that tests run against: real ones, their own, on free ports and throw-away data.

    postgres         the server, one for the session      database  a fresh migrated database for one test
    engine           SQLAlchemy on that database          stock     puts articles on its shelves
    temporal_server  the server, one for the session      temporal_settings, temporal_client  a fresh namespace
    time_skipping    the time-skipping test server        sandbox   the payment provider
    shop             a worker with a scripted provider    sandbox_shop  one with the sandbox
    steps            the activities alone

A namespace of its own lets a test use the product's task queue and ids without meeting another test's.
"""

import os
import shutil
import sysconfig
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from checkout.config.settings import DatabaseSettings, TemporalSettings
from checkout.db.migrate import migrate
from checkout.db.session import create_engine
from checkout.provisioning.search_attributes import register_search_attributes
from checkout.temporal.client import connect
from checkout.temporal.names import SEARCH_ATTRIBUTES
from checkout_lab.stack.processes.ports import PortClaim, claim_free_port
from checkout_lab.stack.processes.process import running
from checkout_lab.stack.servers.postgres import EmbeddedPostgres
from checkout_lab.stack.servers.temporal import DevTemporal
from tests.support.checkout_steps import CheckoutSteps, checkout_steps
from tests.support.invariants import violations
from tests.support.sandbox_server import SandboxServer, sandbox_server
from tests.support.sandbox_shop import SandboxShop, open_sandbox_shop
from tests.support.servers import fresh_namespace, say
from tests.support.shop import Shop, open_shop
from tests.support.stock import Stock, put_on_shelves
from tests.support.summary import SHOWN


def pytest_configure(config: pytest.Config) -> None:
    """Coverage, where it is asked for, is that of the processes that run tests, and not of the servers they start.

    There it would slow down whatever the tests wait for, and show next to nothing that the tests' own process does not.
    """
    starts_others_to_run_tests = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not starts_others_to_run_tests:
        os.environ.pop("COVERAGE_PROCESS_START", None)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process that ran tests has ended, and hands over what it has to show; one that crashed has nothing."""
    node.config.stash.setdefault(SHOWN, {}).update(getattr(node, "workeroutput", {}).get("shown", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what tests have to show."""
    for heading, lines in config.stash.get(SHOWN, {}).items():
        terminalreporter.section(heading)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CHECKOUT_* variable of the shell must not decide how a test ends."""
    for name in [name for name in os.environ if name.startswith("CHECKOUT_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Where the session's servers keep their data. Not pytest's own: that one is closed to the user `nobody`."""
    directory = Path(tempfile.mkdtemp(prefix="checkout-tests-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Ports that are this test's until it ends."""
    claims: list[PortClaim] = []

    def claim() -> int:
        claims.append(claim_free_port())
        return claims[-1].port

    yield claim
    for held in claims:
        held.close()


@pytest.fixture(scope="session")
async def postgres(server_directory: Path) -> AsyncIterator[EmbeddedPostgres]:
    """One server for the session; its database `template_checkout` has the newest schema."""
    with claim_free_port() as claim:
        server = EmbeddedPostgres(server_directory / "postgres", claim.port, fsync=False)
        await server.prepare()
        async with running(server.program(), say):
            await server.create_database("template_checkout")
            await migrate(DatabaseSettings(url=server.url("template_checkout")))
            yield server


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> DatabaseSettings:
    """A fresh database without a schema."""
    name = f"empty_{uuid.uuid4().hex}"
    await postgres.create_database(name)
    return DatabaseSettings(url=postgres.url(name))


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> DatabaseSettings:
    """A fresh database with the newest schema and no rows."""
    name = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(name, template="template_checkout")
    return DatabaseSettings(url=postgres.url(name))


@pytest.fixture
async def engine(database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """The product's engine on the test's database."""
    engine = create_engine(database)
    yield engine
    await engine.dispose()


@pytest.fixture
def stock(engine: AsyncEngine) -> Stock:
    """``await stock({"MUG": (1290, "EUR", 7)})`` puts articles on the shelves."""

    return partial(put_on_shelves, engine)


@pytest.fixture(scope="session")
async def temporal_server(server_directory: Path) -> AsyncIterator[DevTemporal]:
    """One server for the session, on a file as in development."""
    with claim_free_port() as claim:
        server = DevTemporal(claim.port, database=server_directory / "temporal.sqlite")
        async with running(server.program(), say):
            yield server


@pytest.fixture
async def bare_namespace(temporal_server: DevTemporal) -> Client:
    """A client of a fresh namespace that knows no search attributes yet."""
    return await fresh_namespace(temporal_server)


@pytest.fixture
async def temporal_settings(temporal_server: DevTemporal, bare_namespace: Client) -> TemporalSettings:
    """A namespace of the test's own, with the search attributes."""
    await register_search_attributes(bare_namespace)
    return TemporalSettings(address=temporal_server.address, namespace=bare_namespace.namespace)


@pytest.fixture
async def temporal_client(temporal_settings: TemporalSettings) -> Client:
    """A client of the test's own namespace."""
    return await connect(temporal_settings)


@pytest.fixture
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """The test server that jumps over timers. It has one clock, so each test gets a server of its own."""
    binary = Path(sysconfig.get_path("scripts")) / "temporal-test-server"
    async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(binary)) as environment:
        # This server registers search attributes, but cannot list them.
        keywords = dict.fromkeys((key.name for key in SEARCH_ATTRIBUTES), IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=keywords)
        )
        yield environment


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[SandboxServer]:
    """The sandbox provider, with an empty ledger and without faults."""
    async with sandbox_server(tmp_path) as server:
        yield server


@pytest.fixture
async def shop(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[Shop]:
    """A shop whose provider obeys the test; afterwards its books have to agree."""
    await stock({"MUG": (1290, "EUR", 7), "FREE": (0, "EUR", 9)})
    async with open_shop(temporal_client, engine) as shop:
        yield shop
    assert await violations(engine) == []


@pytest.fixture
async def sandbox_shop(
    temporal_client: Client, engine: AsyncEngine, stock: Stock, sandbox: SandboxServer
) -> AsyncIterator[SandboxShop]:
    """A shop whose provider is the sandbox; afterwards its books have to agree."""
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_sandbox_shop(temporal_client, engine, sandbox) as shop:
        yield shop
    assert await violations(engine) == []


@pytest.fixture
async def steps(engine: AsyncEngine, stock: Stock) -> CheckoutSteps:
    """The activities of a checkout, without Temporal."""
    return await checkout_steps(engine, stock)
