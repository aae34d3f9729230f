"""One campaign: a system of its own, a load below half of its capacity, faults on a schedule, and a checker looking on.

In this order: open the system, fill the shelves, measure the capacity, let shoppers come, inject the faults turn by
turn, heal, wait until everything has come to rest, check what must hold eventually, report. The first violation ends
the faults, so that what led to it is still there to be looked at.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psycopg
from temporalio.service import RPCError

from checkout_lab.chaos.campaign.evidence import keep
from checkout_lab.chaos.campaign.fault_runner import FaultRunner
from checkout_lab.chaos.campaign.result import CampaignResult, count
from checkout_lab.chaos.campaign.shop import SETTINGS, checker_of, fill_shelves, write_down
from checkout_lab.chaos.campaign.watch import Watch
from checkout_lab.chaos.checker.books import Violation
from checkout_lab.chaos.checker.checker import Verdict
from checkout_lab.chaos.load.client_faults import ClientFaults
from checkout_lab.chaos.load.http import Clients
from checkout_lab.chaos.load.load import Load
from checkout_lab.chaos.load.shopper import TERMINATED
from checkout_lab.chaos.progress import CampaignProgress
from checkout_lab.chaos.schedule import PlannedFault
from checkout_lab.chaos.system.system import System, open_system

#: Within this time of the last fault everything has to have ended, or to wait for a person.
REST_SECONDS: Final = 60.0
#: However long the servers took to come up again, what comes after has this long.
_LEAST_REST_SECONDS: Final = 10.0
#: Below half of what was measured.
_SHARE_OF_CAPACITY: Final = 0.45
_LOWEST_RATE: Final = 1.0
#: What a turn takes with its recovery, for spreading the load over all of them.
_SECONDS_A_TURN: Final = 4.0
_LEAST_MEASURED, _MOST_MEASURED = 10, 60
_LONGEST_MEASURING_SECONDS: Final = 120.0


@dataclass(frozen=True)
class CampaignParameters:
    """What is wanted: so many checkouts at least, these faults, at this rate (a second) or one that is measured."""

    checkouts: int
    schedule: list[PlannedFault]
    seed: int
    rate: float | None = None


class Campaign:
    """One run of a campaign against one system."""

    def __init__(self, parameters: CampaignParameters, system: System, load: Load, progress: CampaignProgress) -> None:
        info = system.info
        self._parameters = parameters
        self._system = system
        self._load = load
        self._progress = progress
        self._checker = checker_of(info)
        self._watch = Watch(self._checker, load, progress.says)
        shoppers = ClientFaults(load, info.api_url, info.storefront_key)
        self._runner = FaultRunner(system, load, shoppers, self._watch, progress)

    async def run(self) -> CampaignResult:
        """Run the whole campaign, and return its result.

        Raises:
            StackError: the system does not come up again.
        """
        started = time.monotonic()
        await fill_shelves(self._system)
        self._progress.says("measuring capacity")
        capacity = await self._capacity()
        rate = self._parameters.rate or self._rate(capacity)
        try:
            async with self._watch:
                await self._run_faults(rate)
                verdict = await self._verdict(time.monotonic())
            return await self._result(verdict, capacity, rate, time.monotonic() - started)
        finally:
            self._runner.stop()

    async def _capacity(self) -> float:
        """In checkouts a second; a shop that does not even sell while nothing disturbs it has failed already."""
        measured = min(_MOST_MEASURED, max(_LEAST_MEASURED, self._parameters.checkouts // 4))
        try:
            async with asyncio.timeout(_LONGEST_MEASURING_SECONDS):
                return await self._load.measure(measured)
        except TimeoutError:
            what = f"{measured} checkouts are not over after {_LONGEST_MEASURING_SECONDS:g} s"
            self._watch.report(Violation("10: an undisturbed shop sells", "measuring capacity", what))
            return _LOWEST_RATE

    def _rate(self, capacity: float) -> float:
        """Below half of the capacity, and no more than it takes to have load during every fault."""
        turns = len({planned.number for planned in self._parameters.schedule})
        spread = self._parameters.checkouts / (turns * _SECONDS_A_TURN) if turns else capacity
        return min(_SHARE_OF_CAPACITY * capacity, max(spread, _LOWEST_RATE))

    async def _run_faults(self, rate: float) -> None:
        """Load and faults, until there was enough of both, or something is wrong."""
        self._progress.says("shoppers are coming")
        spread_seconds = self._parameters.checkouts / rate
        faults = asyncio.create_task(self._runner.run(self._parameters.schedule, spread_seconds))

        def is_enough() -> bool:
            self._tell()
            enough = faults.done() and len(self._load.sessions) >= self._parameters.checkouts
            return enough or self._watch.alarm.is_set()

        try:
            await self._load.arrive(rate, is_enough)
            await faults
        finally:
            faults.cancel()
            await asyncio.wait([faults])

    async def _verdict(self, last_fault_at: float) -> Verdict:
        """Heal, wait until everything rests, and ask "eventually" until it holds or the time is up."""
        self._progress.says("healing")
        await self._system.heal()
        self._progress.says("waiting until everything has come to rest")
        deadline = max(last_fault_at + REST_SECONDS, time.monotonic() + _LEAST_REST_SECONDS)
        await self._load.rest(deadline, self._tell)
        try:
            await self._load.look_again(REST_SECONDS)
        except TimeoutError:
            self._watch.report(Violation("HTTP: a healed API responds", "GET /v1/checkouts", "not within a minute"))
        self._progress.says("checking what has to hold in the end")
        while True:
            verdict = await self._look(deadline)
            if verdict and (verdict.is_clean or self._watch.alarm.is_set() or time.monotonic() > deadline):
                return verdict
            await asyncio.sleep(1)  # Looking at everything is a load of its own on a shop that comes to rest.

    async def _look(self, deadline: float) -> Verdict | None:
        try:
            return await self._checker.eventually(self._load.promises, self._system.client, self._system.taken_events)
        except (psycopg.Error, httpx.HTTPError, RPCError):
            if time.monotonic() > deadline:
                raise
            return None  # A server is on its way up still.

    async def _result(self, verdict: Verdict, capacity: float, rate: float, seconds: float) -> CampaignResult:
        self._progress.says("looking for card numbers and secrets")
        leaks = await self._checker.secrets(self._system.directory, self._system.client)
        self._watch.report(*self._load.complaints, *verdict.violations, *leaks)
        accepted = self._load.accepted
        statuses = await self._checker.statuses([session.checkout_id for session in accepted])
        return CampaignResult(
            seed=self._parameters.seed,
            checkouts=len(accepted),
            endings=count([statuses.get(session.checkout_id, TERMINATED) for session in accepted]),
            faults=count([planned.name for planned in self._runner.made]),
            violations=sorted(self._watch.found),
            unfinished=verdict.unfinished,
            recoveries=await self._runner.recoveries(),
            capacity=capacity,
            rate=rate,
            checks=self._watch.rounds,
            seconds=seconds,
        )

    def _tell(self) -> None:
        self._watch.check()
        self._progress.counts(len(self._load.accepted), len(self._runner.made), len(self._watch.found))


async def run_campaign(parameters: CampaignParameters, directory: Path, progress: CampaignProgress) -> CampaignResult:
    """Run a campaign against a system with its data in ``directory``; the evidence is kept there if it fails.

    Raises:
        StackError: the system cannot start, or does not come up again.
    """
    complaints: list[Violation] = []
    progress.says("starting PostgreSQL, Temporal, the provider, two workers and the API")
    async with open_system(directory, parameters.seed, SETTINGS) as system:
        info = system.info
        write_down(info, directory / "system.json")
        urls, keys = (info.api_url, info.sandbox_url), (info.storefront_key, info.support_key)
        async with (
            Clients(urls, keys, parameters.seed, complaints.append) as clients,
            Load(clients, parameters.seed, complaints) as load,
        ):
            result = await Campaign(parameters, system, load, progress).run()
            if not result.is_clean:
                progress.says("keeping the evidence")
                await keep(system, load, parameters.schedule, result.as_json())
        return result
