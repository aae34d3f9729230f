"""The faults of a campaign, turn by turn, each with its recovery measured."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import Final

from checkout_lab.chaos.campaign.recovery import Recovery, recover
from checkout_lab.chaos.campaign.watch import Watch
from checkout_lab.chaos.checker.books import Violation
from checkout_lab.chaos.faults.catalogue import FAULTS, ForbiddenResponse, Shoppers
from checkout_lab.chaos.load.load import Load
from checkout_lab.chaos.progress import CampaignProgress
from checkout_lab.chaos.schedule import PlannedFault
from checkout_lab.chaos.system.system import System

#: The next turn does not wait longer than this for what the last one has left behind.
_RECOVERY_WAIT_SECONDS: Final = 15.0
#: Beyond the time that it is kept up, a fault waits for processes and for its clients' requests to end.
_LONGEST_FAULT_SECONDS: Final = 90.0


class FaultRunner:
    """Injects the faults of a schedule. ``made`` are those that were injected before the watch's alarm ended it."""

    def __init__(
        self, system: System, load: Load, shoppers: Shoppers, watch: Watch, progress: CampaignProgress
    ) -> None:
        self.made: list[PlannedFault] = []
        self._recoveries: list[asyncio.Task[Recovery]] = []
        self._system = system
        self._load = load
        self._shoppers = shoppers
        self._watch = watch
        self._progress = progress

    async def run(self, schedule: Sequence[PlannedFault], spread_seconds: float) -> None:
        """Turn after turn, spread over so many seconds where that is longer than they take."""
        began = time.monotonic()
        turns = [list(turn) for _, turn in groupby(schedule, key=lambda planned: planned.number)]
        for place, turn in enumerate(turns):
            pause_seconds = began + place / len(turns) * spread_seconds - time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._watch.alarm.wait(), max(0.0, pause_seconds))
            if self._watch.alarm.is_set():
                return
            await self._make_turn(turn)

    async def recoveries(self) -> list[Recovery]:
        """One for each turn, when all of them are over."""
        return await asyncio.gather(*self._recoveries)

    def stop(self) -> None:
        """Stop measuring recoveries."""
        for recovery in self._recoveries:
            recovery.cancel()

    async def _make_turn(self, turn: list[PlannedFault]) -> None:
        names = tuple(planned.name for planned in turn)
        self._progress.says(" + ".join(names))
        async with asyncio.TaskGroup() as group:
            for planned in turn:
                group.create_task(self._inject(planned))
        self.made += turn
        recovery = asyncio.create_task(recover(turn[0].number, names, self._load.accepted))
        self._recoveries.append(recovery)
        await asyncio.wait([recovery], timeout=_RECOVERY_WAIT_SECONDS)
        if recovery.done():
            self._progress.says(f"recovered in {recovery.result().seconds:.1f} s")

    async def _inject(self, planned: PlannedFault) -> None:
        rng = random.Random(planned.seed)  # noqa: S311 - a campaign has to be repeatable
        try:
            async with asyncio.timeout(planned.seconds + _LONGEST_FAULT_SECONDS):
                await FAULTS[planned.name].inject(self._system, self._shoppers, rng, planned.seconds)
        except ForbiddenResponse as harm:
            self._watch.report(Violation("fault: the product did what it must not", planned.name, str(harm)))
        except TimeoutError:
            self._watch.report(Violation("fault: it comes to an end", planned.name, "it did not"))
