"""The servers that tests run against: real ones, their own, on free ports and throw-away data.

    postgres         the server, one for the session      database  a fresh migrated database for one test
    engine           SQLAlchemy on that database          stock     puts articles on its shelves
    temporal_server  the server, one for the session      temporal_settings, temporal_client  a fresh namespace
    time_skipping    the time-skipping test server        sandbox   the payment provider

A namespace of its own lets a test use the product's task queue and ids without meeting another test's.
"""

import os
import shutil
import sys
import sysconfig
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from checkout.config.settings import DatabaseSettings, TemporalSettings
from checkout.db.migrate import migrate
from checkout.db.session import create_engine
from checkout.provisioning.search_attributes import register_search_attributes
from checkout.temporal.client import connect
from checkout.temporal.names import SEARCH_ATTRIBUTES
from lab.stack.processes.ports import PortClaim, claim_free_port
from lab.stack.processes.process import running
from lab.stack.servers.postgres import EmbeddedPostgres
from lab.stack.servers.temporal import DevTemporal
from tests.support.sandbox_server import SandboxServer, sandbox_server

#: What a test may put on the shelves: sku -> (unit price in minor units, currency, units on hand).
Shelf = dict[str, tuple[int, str, int]]
Stock = Callable[[Shelf], Awaitable[None]]
#: What tests have to show at the end: lines under a heading.
_SHOWN = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Coverage, where it is asked for, is that of the processes that run tests, and not of the servers they start.

    There it would slow down whatever the tests wait for, and show next to nothing that the tests' own process does not.
    """
    starts_others_to_run_tests = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not starts_others_to_run_tests:
        os.environ.pop("COVERAGE_PROCESS_START", None)


def show_at_the_end(config: pytest.Config, heading: str, lines: list[str]) -> None:
    """Print the lines after the last test, whichever process it runs in."""
    if hasattr(config, "workeroutput"):
        config.workeroutput.setdefault("shown", {})[heading] = lines
    else:
        config.stash.setdefault(_SHOWN, {})[heading] = lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process that ran tests has ended, and hands over what it has to show; one that crashed has nothing."""
    node.config.stash.setdefault(_SHOWN, {}).update(getattr(node, "workeroutput", {}).get("shown", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what tests have to show."""
    for heading, lines in config.stash.get(_SHOWN, {}).items():
        terminalreporter.section(heading)
        for line in lines:
            terminalreporter.write_line(line)


def say(role: str, line: str) -> None:
    """A server's output, which pytest shows for a test that fails."""
    print(f"{role:>8} | {line}", file=sys.stderr)  # noqa: T201


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

    async def put(shelf: Shelf) -> None:
        statement = text(
            "INSERT INTO products (sku, name, price_minor, currency, on_hand, received) "
            "VALUES (:sku, 'Article ' || :sku, :price, :currency, :on_hand, :on_hand)"
        )
        rows = [{"sku": sku, "price": p, "currency": c, "on_hand": n} for sku, (p, c, n) in shelf.items()]
        async with engine.begin() as connection:
            await connection.execute(statement, rows)

    return put


@pytest.fixture(scope="session")
async def temporal_server(server_directory: Path) -> AsyncIterator[DevTemporal]:
    """One server for the session, on a file as in development."""
    with claim_free_port() as claim:
        server = DevTemporal(claim.port, database=server_directory / "temporal.sqlite")
        async with running(server.program(), say):
            yield server


@asynccontextmanager
async def temporal_with(*dynamic_config: str) -> AsyncIterator[DevTemporal]:
    """A server of its own, in memory, with these limits (``name=value``)."""
    with claim_free_port() as claim:
        server = DevTemporal(claim.port)
        program = server.program()
        flags = [word for each in dynamic_config for word in ("--dynamic-config-value", each)]
        async with running(replace(program, command=(*program.command, *flags)), say):
            yield server


async def fresh_namespace(server: DevTemporal) -> Client:
    """A client of a fresh namespace that knows no search attributes yet."""
    client = await connect(server.settings)
    settings = TemporalSettings(address=server.address, namespace=f"test-{uuid.uuid4().hex}")
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=settings.namespace, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    return await connect(settings)


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
