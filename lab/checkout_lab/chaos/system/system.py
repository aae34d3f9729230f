"""The system under test: the processes of one shop, on throw-away data, with a proxy on every connection."""

import asyncio
import csv
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import fields
from pathlib import Path

import httpx
from pydantic import SecretStr
from temporalio.client import Client

from checkout.cli.catalogue_file import COLUMNS, import_catalogue
from checkout.config.settings import DatabaseSettings, TemporalSettings
from checkout.db.session import create_engine
from checkout.temporal.client import connect
from checkout_lab.chaos.proxy.proxy import Proxy
from checkout_lab.chaos.system.links import WORKERS, Links, make_links
from checkout_lab.chaos.system.postgres import Rival, reset_server
from checkout_lab.stack.errors import StackError
from checkout_lab.stack.lock import locked
from checkout_lab.stack.log import StackLog
from checkout_lab.stack.plan import Ports
from checkout_lab.stack.processes.ports import HOST, claim_free_port
from checkout_lab.stack.stack import Stack, StackInfo

__all__ = ["ROLES", "WORKERS", "System", "open_system"]

ROLES = ("postgres", "temporal", "sandbox", *WORKERS, "api")
#: After this long without all processes serving again, something is broken and stays so.
_HEAL_SECONDS = 120.0
_POLL_SECONDS = 0.05
#: Enough for two workers, the checker and a few others; a rival can take them all in a second.
_POSTGRES_SETTINGS = {"max_connections": "80"}


class System:
    """PostgreSQL, Temporal, the sandbox provider, two workers and the API: real processes, which are started again.

    ``info`` says where everything is, without the proxies in between. ``links`` are the proxies by name: for each of
    the two workers W in `WORKERS` there are W-temporal, W-postgres and W-provider; then api-temporal and provider-api
    (the webhooks). ``traps`` and ``corrupters`` belong to the workers' links to PostgreSQL and to the provider, by the
    worker's role. ``client`` speaks with Temporal directly. ``rival`` is what other users do to the database,
    ``note`` writes a line into the log of the system itself (``directory/logs/checkout.log``). ``taken_events`` are the
    ids of our own events that the API has taken.
    """

    def __init__(
        self, directory: Path, info: StackInfo, client: Client, stack: Stack, links: Links, note: Callable[[str], None]
    ) -> None:
        self.directory = directory
        self.info = info
        self.client = client
        self.links: dict[str, Proxy] = links.proxies
        self.traps = links.traps
        self.corrupters = links.corrupters
        self.rival = Rival(info.database_url)
        self.note = note
        self.taken_events: set[str] = set()
        self._all_links = links
        self._supervisor = stack.supervisor
        self._readiness = {
            "api": f"{info.api_url}/readyz",
            **{role: f"http://{HOST}:{port}/readyz" for role, port in links.worker_ports.items()},
        }
        self._ending: dict[str, int] = {}
        self._paused: set[str] = set()

    def pid(self, role: str) -> int:
        """The process id of the role (one of `ROLES`) as of now."""
        return self._supervisor.pids[role]

    def kill(self, role: str) -> None:
        """kill -9; it is started again on its port and data."""
        self._end(role, signal.SIGKILL)

    def terminate(self, role: str) -> None:
        """SIGTERM: it may finish what is under way, and is started again."""
        self._end(role, signal.SIGTERM)

    def stop_immediately(self) -> None:
        """PostgreSQL's "immediate shutdown" (SIGQUIT): no checkpoint, every session cut; it recovers at its start."""
        self._end("postgres", signal.SIGQUIT)

    def pause(self, role: str) -> None:
        """Send SIGSTOP to the process and its children."""
        self._paused.add(role)
        self._supervisor.signal(role, signal.SIGSTOP, with_children=True)

    def resume(self, role: str) -> None:
        """Send SIGCONT to them."""
        self._paused.discard(role)
        self._supervisor.signal(role, signal.SIGCONT, with_children=True)

    def hold(self, role: str) -> None:
        """From now on the role stays away once it has died, until `release`."""
        self._supervisor.hold(role)

    def release(self, role: str) -> None:
        """Let the role be started again."""
        self._supervisor.release(role)

    def wake(self) -> None:
        """Resume whatever is paused, and release whatever is held."""
        for role in ROLES:
            if role in self._paused:
                self.resume(role)
            self.release(role)

    async def up(self, role: str) -> None:
        """Wait until the role's process serves, and is another one than was killed or told to end."""
        await self._supervisor.ready(role, other_than=self._ending.get(role))
        if url := self._readiness.get(role):
            await _succeeds(url)

    async def ask_sandbox(self, path: str, **changes: object) -> None:
        """POST to the sandbox provider's own pages, such as ``/sandbox/faults``.

        Raises:
            httpx.HTTPError: it is away, or refuses.
        """
        async with httpx.AsyncClient(base_url=self.info.sandbox_url, trust_env=False, timeout=10) as client:
            (await client.post(path, json=changes)).raise_for_status()

    async def stock(self, units: Mapping[str, int], *, price_minor: int = 1290, currency: str = "EUR") -> None:
        """Put so many units of each SKU on the shelves."""
        path = self.directory / "stock.csv"
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(COLUMNS)
            rows.writerows([sku, f"Article {sku}", price_minor, currency, count] for sku, count in units.items())
        engine = create_engine(DatabaseSettings(url=SecretStr(self.info.database_url)))
        try:
            await import_catalogue(engine, path)
        finally:
            await engine.dispose()

    async def heal(self) -> None:
        """End every fault; returns when every process is up and can serve again.

        Raises:
            StackError: that took longer than two minutes.
        """
        self.wake()
        await self._all_links.heal()
        try:
            async with asyncio.timeout(_HEAL_SECONDS):
                await self._recover()
        except TimeoutError:
            raise StackError(f"not everything is up again after {_HEAL_SECONDS:g} s: see {self.directory}") from None

    async def _recover(self) -> None:
        await self._supervisor.ready("postgres", other_than=self._ending.get("postgres"))
        await reset_server(self.info.database_url)
        await asyncio.gather(*(self.up(role) for role in ROLES))
        await self.ask_sandbox("/sandbox/recover")
        self._ending.clear()

    def _end(self, role: str, number: signal.Signals) -> None:
        self._ending[role] = self.pid(role)
        self._supervisor.signal(role, number)


async def _succeeds(url: str) -> None:
    # trust_env: a proxy of the shell has no business on loopback.
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while True:
            with suppress(httpx.TransportError):
                if (await client.get(url)).is_success:
                    return
            await asyncio.sleep(_POLL_SECONDS)


@contextmanager
def _ground(directory: Path) -> Iterator[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        yield directory.resolve()


@asynccontextmanager
async def open_system(directory: Path, seed: int, environment: Mapping[str, str]) -> AsyncIterator[System]:
    """A system that is up, with its data in ``directory`` and its logs in ``directory/logs``; both stay afterwards.

    ``environment`` holds settings (CHECKOUT_*) of the processes, ``seed`` feeds the jitter of the proxies.

    Raises:
        StackError: it cannot start.
    """
    with ExitStack() as claims:
        directory = claims.enter_context(_ground(directory))
        ports = Ports(**{field.name: claims.enter_context(claim_free_port()).port for field in fields(Ports)})
        log = StackLog(directory / "logs", terminal=False)
        claims.callback(log.close)
        links = make_links(ports, seed, claims)
        async with AsyncExitStack() as running:
            for proxy in links.proxies.values():
                await running.enter_async_context(proxy)
            stack = Stack(directory, ports, log, _POSTGRES_SETTINGS, links.programs, environment)
            running.push_async_callback(stack.stop)
            info = await stack.start()
            client = await connect(TemporalSettings(address=info.temporal_address, namespace=info.temporal_namespace))
            system = System(directory, info, client, stack, links, log.announce)
            running.callback(system.wake)
            yield system
