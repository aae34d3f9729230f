"""The proxies of a system: one on every connection between its processes, and what each program is told of them."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy.engine import make_url

from checkout_lab.chaos.proxy.connection import LinkConditions
from checkout_lab.chaos.proxy.http import HttpTap, ResponseCorrupter
from checkout_lab.chaos.proxy.postgres import CommitTrap, PostgresTap
from checkout_lab.chaos.proxy.proxy import Proxy
from checkout_lab.stack.plan import Plan, Ports
from checkout_lab.stack.processes.ports import claim_free_port
from checkout_lab.stack.processes.process import Program

WORKERS = ("worker", "worker-2")


@dataclass
class Links:
    """Every proxy by name; ``traps``, ``corrupters`` and the ports of health checks belong to the workers, by role."""

    worker_ports: dict[str, int]
    proxies: dict[str, Proxy] = field(default_factory=dict)
    traps: dict[str, CommitTrap] = field(default_factory=dict)
    corrupters: dict[str, ResponseCorrupter] = field(default_factory=dict)

    def programs(self, plan: Plan) -> Sequence[Sequence[Program]]:
        """Provider and both workers, then the API; each is told the proxies' ports in place of the servers'."""
        sandbox = self._via(plan, api="provider-api").sandbox()
        workers = [self._worker(plan, role) for role in WORKERS]
        return (sandbox, *workers), (self._via(plan, temporal="api-temporal").api(),)

    def _worker(self, plan: Plan, role: str) -> Program:
        mine = self._via(plan, temporal=f"{role}-temporal", sandbox=f"{role}-provider")
        mine = replace(mine, ports=replace(mine.ports, worker=self.worker_ports[role]))
        url = make_url(plan.database_url).set(port=self.proxies[f"{role}-postgres"].port)
        return replace(mine, database_url=url.render_as_string(hide_password=False)).worker(role)

    def _via(self, plan: Plan, **names: str) -> Plan:
        ports = {server: self.proxies[name].port for server, name in names.items()}
        return replace(plan, ports=replace(plan.ports, **ports))

    async def heal(self) -> None:
        """Every link forwards everything again, and no trap is armed."""
        for trap in self.traps.values():
            trap.disarm()
        for corrupter in self.corrupters.values():
            corrupter.stop()
        for proxy in self.proxies.values():
            await proxy.heal()


def make_links(ports: Ports, seed: int, claims: ExitStack) -> Links:
    """The links to servers on ``ports``, on free ports that are ours until ``claims`` is closed. None is open yet."""
    rng = random.Random(seed)  # noqa: S311 - a campaign has to be repeatable

    def free_port() -> int:
        return claims.enter_context(claim_free_port()).port

    links = Links({"worker": ports.worker, "worker-2": free_port()})
    for role in WORKERS:
        trap = links.traps[role] = CommitTrap()
        corrupter = links.corrupters[role] = ResponseCorrupter(rng)
        for proxy in (
            Proxy(f"{role}-temporal", free_port(), ports.temporal, rng),
            Proxy(f"{role}-postgres", free_port(), ports.postgres, rng, partial(PostgresTap, trap)),
            Proxy(f"{role}-provider", free_port(), ports.sandbox, rng, partial(HttpTap, corrupter)),
        ):
            links.proxies[proxy.name] = proxy
    for name, target in (("api-temporal", ports.temporal), ("provider-api", ports.api)):
        links.proxies[name] = Proxy(name, free_port(), target, rng)
    return links


@asynccontextmanager
async def degraded(how: LinkConditions, *links: Proxy) -> AsyncIterator[None]:
    """These links have these conditions within the block, and none after it."""
    for link in links:
        link.change(how)
    try:
        yield
    finally:
        for link in links:
            link.change(LinkConditions())


@asynccontextmanager
async def cut(*links: Proxy) -> AsyncIterator[None]:
    """These links are closed and refuse connections within the block."""
    for link in links:
        await link.cut()
    try:
        yield
    finally:
        for link in links:
            await link.heal()
