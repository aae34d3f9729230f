"""The environment of a measurement: a stack of its own as in production, and workers for bare workflows."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Final

import httpx
import psutil
import psycopg
from temporalio.client import Client
from temporalio.service import RPCError

from checkout.config.settings import TemporalSettings
from checkout.provisioning.schedule import SCHEDULE_ID
from checkout.temporal.client import connect
from checkout_lab.bench.baseline import bare
from checkout_lab.bench.environment.database import SKUS, BenchDatabase
from checkout_lab.bench.environment.processes import CLIENT, Processes, spent
from checkout_lab.bench.environment.server_metrics import ServerMetrics
from checkout_lab.bench.errors import BenchError
from checkout_lab.bench.load.samples import Sample
from checkout_lab.bench.load.storefront import Cart, Storefront, Tally
from checkout_lab.bench.log import LINE_PREFIX, BenchLog
from checkout_lab.stack.plan import Plan, Ports
from checkout_lab.stack.processes.ports import claim_free_port
from checkout_lab.stack.processes.process import Child, Program, running
from checkout_lab.stack.secrets import DevSecrets
from checkout_lab.stack.stack import Stack, StackInfo, open_stack

_LOOK_SECONDS: Final = 0.2
_SETTLE_TIMEOUT_SECONDS: Final = 120
#: What is raised by whoever asks a server that is gone, or looks at its process.
_LOST: Final = (httpx.HTTPError, psycopg.Error, RPCError, psutil.NoSuchProcess)
#: An installed product has its bytecode. A shell that forbids to write any would have every workflow compiled anew, for
#: the SDK's sandbox imports the modules of workflows again for each. Empty is as if it were not set.
_WITH_BYTECODE: Final = {"PYTHONDONTWRITEBYTECODE": ""}


@dataclass
class BenchEnvironment:
    """Everything that a measurement needs. ``parked`` workflows are open on purpose, and stay so.

    ``webhooks`` tells whether the provider sends its events.
    """

    info: StackInfo
    log: BenchLog
    temporal: Client
    database: BenchDatabase
    metrics: ServerMetrics
    processes: Processes
    bare_workers: list[Child]
    exits: AsyncExitStack
    tally: Tally = field(default_factory=Tally)
    parked: int = 0
    webhooks: bool = True

    def storefront(self, cart: Cart | None = None) -> Storefront:
        """Return customers who buy this cart."""
        return Storefront(self.info, cart or Cart(SKUS), self.tally)

    def baseline(self) -> bare.BareWorkflow:
        """Return clients that run the baseline."""
        return bare.baseline(self.temporal)

    def lower_bound(self) -> bare.BareWorkflow:
        """Return clients that run the lower bound."""
        return bare.lower_bound(self.temporal)

    async def measured(self, load: Awaitable[Sample]) -> Sample:
        """The sample with its cost: that of all processes, until nothing is under way any more.

        Raises:
            BenchError: a process died meanwhile.
        """
        before = self.processes.cpu_seconds()
        sample = await self._unless_stopped(load)
        ended, at_end = perf_counter(), self.processes.cpu_seconds()
        await self.settled()
        # What the client uses after the last response is spent on looking.
        after = self.processes.cpu_seconds() | {CLIENT: at_end[CLIENT]}
        return replace(sample, drain_seconds=perf_counter() - ended, cpu_seconds=spent(before, after))

    async def _unless_stopped(self, load: Awaitable[Sample]) -> Sample:
        """The sample; without its worker, which nobody starts again, that of a bare workflow would never come."""
        loading = asyncio.ensure_future(load)
        ended = [asyncio.ensure_future(worker.exited()) for worker in self.bare_workers]
        try:
            await asyncio.wait([loading, *ended], return_when=asyncio.FIRST_COMPLETED)
            if not loading.done():
                self.refuse_deaths()
            return await loading
        finally:
            for task in (loading, *ended):
                task.cancel()

    async def settled(self) -> None:
        """Wait until no workflow runs and no event of the provider is on its way.

        Raises:
            BenchError: a process died, or something does not come to its end.
        """
        try:
            async with asyncio.timeout(_SETTLE_TIMEOUT_SECONDS):
                # Twice in a row, since Temporal's lists lag a little behind.
                looks = [False, await self._is_quiet()]
                while not all(looks):
                    await asyncio.sleep(_LOOK_SECONDS)
                    looks = [looks[1], await self._is_quiet()]
        except TimeoutError:
            raise BenchError(f"workflows are still under way {_SETTLE_TIMEOUT_SECONDS} s after the load") from None
        self.refuse_deaths()

    def refuse_deaths(self) -> None:
        """Raises BenchError when a process of the stack has died."""
        deaths = self.log.deaths or [f"{role} died" for role in self.processes.gone()]
        if deaths:
            raise BenchError("\n".join(["a process died during the measurement, so nothing is reported:", *deaths]))

    async def _is_quiet(self) -> bool:
        if self.webhooks and (await self.provider_traffic())["events_waiting"]:
            return False
        return (await self.temporal.count_workflows("ExecutionStatus = 'Running'")).count <= self.parked

    async def add_worker(self) -> None:
        """Start one more worker like the stack's own, to the end of the environment."""
        self.processes.add("worker", await self.exits.enter_async_context(_another_worker(self.info, self.log)))

    async def send_webhooks(self, wanted: bool) -> None:
        """Have the provider send its events, those that it kept included, or keep them."""
        self.webhooks = wanted
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            faults = {"webhooks": "normal" if wanted else "off"}
            (await client.post(f"{self.info.sandbox_url}/sandbox/faults", json=faults)).raise_for_status()

    async def provider_traffic(self) -> dict[str, int]:
        """``calls`` of Stripe's API that the provider took so far, and its ``events_waiting`` to be delivered."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            traffic = (await client.get(f"{self.info.sandbox_url}/sandbox/traffic")).raise_for_status().json()
        return {"calls": sum(traffic["calls"].values()), "events_waiting": traffic["events_waiting"]}


@asynccontextmanager
async def open_environment(
    *, workers: int, webhooks: bool, settings: Mapping[str, str] | None = None
) -> AsyncIterator[BenchEnvironment]:
    """An environment on throw-away data, with so many workers; without ``webhooks`` the provider sends no events.

    ``settings`` (CHECKOUT_*) of the processes count before the usual ones.

    Raises:
        StackError: the stack cannot be started, and nothing is measured.
        BenchError: a process died or could not be reached meanwhile.
    """
    log = BenchLog()
    postgres_settings, variables = {"log_line_prefix": LINE_PREFIX}, {**_WITH_BYTECODE, **(settings or {})}
    with open_stack(None, {}, log=log, postgres_settings=postgres_settings, environment=variables) as stack:
        try:
            async with AsyncExitStack() as exits:
                environment = await _start(stack, log, exits)
                for _ in range(workers - 1):
                    await environment.add_worker()
                await environment.send_webhooks(webhooks)
                yield environment
        except _LOST as error:
            raise BenchError(f"the stack failed during the measurement, so nothing is reported: {error!r}") from error
        finally:
            await stack.stop()


async def _start(stack: Stack, log: BenchLog, exits: AsyncExitStack) -> BenchEnvironment:
    info = await stack.start()
    temporal = await connect(TemporalSettings(address=info.temporal_address, namespace=info.temporal_namespace))
    # It would meet now the one and now the other. What it costs is measured by itself.
    await temporal.get_schedule_handle(SCHEDULE_ID).pause(note="paused by checkout bench")
    database = BenchDatabase(info.database_url, log)
    await database.stock()
    pids = {role: [pid] for role, pid in info.pids.items()}
    beside = {name: await Child.start(_bare_worker(info, name), log.take) for name in ("baseline", "lower_bound")}
    for name, child in beside.items():
        exits.push_async_callback(child.stop)
        pids[name] = [child.pid]
    metrics = await ServerMetrics.find(info.pids["temporal"])
    return BenchEnvironment(info, log, temporal, database, metrics, Processes(pids), list(beside.values()), exits)


@asynccontextmanager
async def _another_worker(info: StackInfo, log: BenchLog) -> AsyncIterator[int]:
    """One more worker like the stack's own, within the block; its process id."""
    with claim_free_port() as claim:
        ports = Ports(temporal=_port(info.temporal_address), sandbox=_port(info.sandbox_url), worker=claim.port)
        secrets = DevSecrets(info.storefront_key, info.support_key, "", "", "sk_test_bench")
        plan = Plan(ports, secrets, info.database_url, info.temporal_namespace, "", _WITH_BYTECODE)
        async with running(plan.worker(), log.take) as child:
            yield child.pid


def _bare_worker(info: StackInfo, name: str) -> Program:
    variables = {
        **_WITH_BYTECODE,
        "CHECKOUT_TEMPORAL_ADDRESS": info.temporal_address,
        "CHECKOUT_TEMPORAL_NAMESPACE": info.temporal_namespace,
    }

    async def nobody_asks() -> bool:
        return True

    # The first workflow of the warm-up waits for it, so it needs no port to tell that it is ready.
    command = (sys.executable, "-P", "-m", f"checkout_lab.bench.baseline.{name}_worker")
    return Program(role=name, command=command, port=0, is_ready=nobody_asks, environment=variables)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
