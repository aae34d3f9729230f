"""The whole checkout on one machine: servers, provider, worker and API, in the order that they need each other."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from sqlalchemy import text

from checkout.cli.catalogue_file import import_catalogue
from checkout.cli.dev_stack import STACK_FILE
from checkout.config.settings import DatabaseSettings, ReconcileSettings, load
from checkout.db.migrate import migrate
from checkout.db.session import create_engine
from checkout.provisioning.schedule import schedule_reconciliation
from checkout.temporal.client import connect
from checkout_lab.stack.errors import PortInUse, StackError
from checkout_lab.stack.lock import locked
from checkout_lab.stack.log import StackLog
from checkout_lab.stack.plan import Plan, Ports
from checkout_lab.stack.processes.ports import PortClaim, claim_free_port, claim_port
from checkout_lab.stack.processes.process import Program
from checkout_lab.stack.processes.supervisor import Supervisor
from checkout_lab.stack.secrets import DevSecrets, write_private
from checkout_lab.stack.servers.postgres import EmbeddedPostgres
from checkout_lab.stack.servers.temporal import DevTemporal

_DATABASE = "checkout"
_NAMESPACE = "default"
_WANTED_BY = {
    "api": "the API",
    "temporal": "Temporal",
    "temporal_ui": "Temporal's web UI",
    "sandbox": "the sandbox provider",
    "postgres": "PostgreSQL",
    "worker": "the worker's health check",
}


@dataclass(frozen=True)
class StackInfo:
    """Where everything is, and the keys to it. The fields are those of ``checkout dev --json``."""

    api_url: str
    temporal_address: str
    temporal_namespace: str
    temporal_ui_url: str
    sandbox_url: str
    database_url: str
    storefront_key: str
    support_key: str
    pids: dict[str, int]


#: Our own processes in groups; each group is started when the one before is up.
Programs = Callable[[Plan], Sequence[Sequence[Program]]]


def one_of_each(plan: Plan) -> Sequence[Sequence[Program]]:
    """Provider and worker, then the API."""
    return (plan.sandbox(), plan.worker()), (plan.api(),)


class Stack:
    """All processes of one checkout, with their data in ``directory``.

    ``programs`` says which of our own there are, beside PostgreSQL and Temporal. ``environment`` holds settings of
    theirs (CHECKOUT_*) that count before the shell's. ``postgres_settings`` count before PostgreSQL's usual ones.
    """

    def __init__(
        self,
        directory: Path,
        ports: Ports,
        log: StackLog,
        postgres_settings: Mapping[str, str] | None = None,
        programs: Programs = one_of_each,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory
        self._ports = ports
        self._log = log
        self._programs = programs
        self._environment = environment or {}
        self.supervisor = Supervisor(log.take, log.announce)
        self._postgres = EmbeddedPostgres(directory / "postgres", ports.postgres, settings=postgres_settings)
        self._temporal = DevTemporal(
            ports.temporal, database=directory / "temporal.sqlite", ui_port=ports.temporal_ui, namespace=_NAMESPACE
        )

    async def start(self) -> StackInfo:
        """Start everything; done when the API is ready.

        Raises:
            ChildFailed: one of the processes did not become ready.
            StackError: something that they need is not there.
        """
        await _together(self._start_postgres(), self.supervisor.start(self._temporal.program()))
        await self._fill_database()
        await schedule_reconciliation(await connect(self._temporal.settings), self._reconciliation())
        plan = self._plan()
        for group in self._programs(plan):
            await _together(*(self.supervisor.start(program) for program in group))
        info = StackInfo(
            api_url=plan.api_url,
            temporal_address=plan.temporal_address,
            temporal_namespace=plan.namespace,
            temporal_ui_url=plan.temporal_ui_url,
            sandbox_url=plan.sandbox_url,
            database_url=plan.database_url,
            storefront_key=plan.secrets.storefront_key,
            support_key=plan.secrets.support_key,
            pids=self.supervisor.pids,
        )
        write_private(self._directory / STACK_FILE.name, asdict(info))
        return info

    async def stop(self) -> None:
        """Stop everything, the API first and the database last."""
        (self._directory / STACK_FILE.name).unlink(missing_ok=True)
        self._log.hush()
        await self.supervisor.stop()

    def kill(self) -> None:
        """Kill everything, for those who cannot wait. `stop` has to follow all the same."""
        self.supervisor.kill()

    def _plan(self) -> Plan:
        return Plan(
            ports=self._ports,
            secrets=DevSecrets.load_or_make(self._directory / "secrets.json"),
            database_url=self._postgres.url(_DATABASE),
            namespace=_NAMESPACE,
            ledger=str(self._directory / "sandbox-ledger.sqlite"),
            environment=self._environment,
        )

    def _reconciliation(self) -> ReconcileSettings:
        names = ReconcileSettings.model_fields
        given = {name: self._environment.get(f"CHECKOUT_RECONCILE_{name}".upper()) for name in names}
        return load(ReconcileSettings, **given)

    async def _start_postgres(self) -> None:
        for directory in await self._postgres.prepare():
            if not directory.is_relative_to(self._directory):
                self._log.announce(
                    f"PostgreSQL refuses to run as root and runs as another user, "
                    f"who may pass through {directory} from now on (chmod o+x)"
                )
        await self.supervisor.start(self._postgres.program())

    async def _fill_database(self) -> None:
        await self._postgres.create_database(_DATABASE)
        settings = DatabaseSettings(url=self._postgres.url(_DATABASE))
        await migrate(settings)
        engine = create_engine(settings)
        try:
            async with engine.connect() as connection:
                empty = (await connection.execute(text("SELECT 1 FROM products LIMIT 1"))).first() is None
            if empty:
                with as_file(files("checkout_lab.stack") / "demo_catalogue.csv") as path:
                    await import_catalogue(engine, path)
        finally:
            await engine.dispose()


async def _together(*steps: Coroutine[Any, Any, None]) -> None:
    """Run the steps at once; the first that fails cancels the others, and is what the caller sees."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


@contextmanager
def open_stack(
    data: Path | None,
    ports: dict[str, int],
    *,
    log: StackLog | None = None,
    postgres_settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """A stack that is not started yet, on ``data`` and the named ports or the usual ones.

    Without ``data`` it is ephemeral: on free ports, and in a directory that is gone afterwards. ``log`` takes what the
    children say, instead of the terminal; the others are those of `Stack`.

    Raises:
        StackError: another stack runs on the data, or ports are in use; nothing was started.
    """
    with ExitStack() as exits:
        directory = _directory(data, exits)
        exits.enter_context(locked(directory))
        claims = _claim_ports(ports, exits, usual=data is not None)
        log = log or StackLog(directory / "logs" if data else None)
        exits.callback(log.close)
        yield Stack(directory, claims, log, postgres_settings, environment=environment)


def _directory(data: Path | None, exits: ExitStack) -> Path:
    if data is None:
        directory = Path(tempfile.mkdtemp(prefix="checkout-"))
        exits.callback(shutil.rmtree, directory)
        return directory.resolve()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"the data directory {data} cannot be made: {error.strerror}") from None
    return data.resolve()


def _claim_ports(wanted: dict[str, int], exits: ExitStack, *, usual: bool) -> Ports:
    chosen: dict[str, int] = {}
    refusals: list[str] = []
    numbers = (asdict(Ports()) if usual else {}) | wanted
    for role in (field.name for field in fields(Ports)):
        try:
            claim = _claim(role, numbers.get(role))
        except PortInUse as error:
            refusals.append(str(error))
        else:
            exits.callback(claim.close)
            chosen[role] = claim.port
    if refusals:
        raise StackError("\n".join(refusals))
    return Ports(**chosen)


def _claim(role: str, number: int | None) -> PortClaim:
    if number is None:
        return claim_free_port()
    option = f"--{role.replace('_', '-')}-port"
    remedy = f"stop what listens there, or choose another port with {option}"
    return claim_port(number, wanted_by=_WANTED_BY[role], remedy=remedy)
