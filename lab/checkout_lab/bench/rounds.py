"""The rounds: checkouts, lower bound and baseline in turns, so that whatever else the machine does meets all."""

from collections import defaultdict
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from checkout_lab.bench.environment.environment import BenchEnvironment
from checkout_lab.bench.load.loops import Subject, closed_loop, open_loop
from checkout_lab.bench.load.samples import Sample, median
from checkout_lab.bench.progress import Steps

CLIENTS: Final = {"c1": 1, "c32": 32}
HALF: Final = 0.5
#: Shares of the capacity at which the latency is looked at once, for the plot.
SHARES: Final = (0.25, 0.75, 0.9)
_WARM_UP_CLIENTS: Final = 8
#: Responses that come one at a time, with a look at the servers between them, get the time of so many pieces.
_ACCEPT_PIECES: Final = 3


@dataclass
class Measured:
    """Every sample, by subject and load: ``c1`` and ``c32`` are closed loops, a share of the capacity is an open one.

    ``accept_seconds`` are responses to a POST that does not wait, ``start_seconds`` bare starts of a workflow: a list a
    round each. ``offered`` is the load of the open loops, in operations a second.
    """

    samples: dict[tuple[str, str | float], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    accept_seconds: list[list[float]] = field(default_factory=list)
    start_seconds: list[list[float]] = field(default_factory=list)
    offered: dict[tuple[str, float], list[float]] = field(default_factory=lambda: defaultdict(list))

    def capacity(self, subject: str) -> float:
        """What 32 clients got so far, in operations a second."""
        return median(sample.per_second for sample in self.samples[subject, "c32"])


class Rounds:
    """Measures in an environment: ``seconds`` is the length of one piece of load."""

    def __init__(self, environment: BenchEnvironment, seconds: float, steps: Steps) -> None:
        self._environment = environment
        self._seconds = seconds
        self._steps = steps
        self._storefront = environment.storefront()
        self._baseline = environment.baseline()
        self._lower_bound = environment.lower_bound()
        self._measured = Measured()

    async def run(self, rounds: int) -> Measured:
        """Warm up, make the rounds, and look at other loads once.

        Raises:
            BenchError: a process is away or has died; nothing of it may be reported.
        """
        self._steps.expect(3 + rounds * 9 + 2 * len(SHARES))
        for subject in self._all_in_turn(0):
            self._steps.begin(f"warm-up: {subject.name}")
            await self._environment.measured(closed_loop(subject, _WARM_UP_CLIENTS, self._seconds))
        for number in range(rounds):
            await self._round(number, f"round {number + 1} of {rounds}")
        for share in SHARES:
            for subject in self._in_turn(0):
                await self._open(subject, share, "once", seed=0)
        return self._measured

    async def _round(self, number: int, title: str) -> None:
        for load, clients in CLIENTS.items():
            for subject in self._all_in_turn(number):
                self._steps.begin(f"{title}: {subject.name}, clients: {clients}")
                sample = await self._environment.measured(closed_loop(subject, clients, self._seconds))
                self._measured.samples[subject.name, load].append(sample)
        for subject in self._in_turn(number):
            await self._open(subject, HALF, title, seed=number)
        self._steps.begin(f"{title}: responses without waiting")
        await self._accept_and_start()

    async def _open(self, subject: Subject, share: float, title: str, seed: int) -> None:
        offered = share * self._measured.capacity(subject.name)
        self._steps.begin(f"{title}: {subject.name}, open loop, {offered:.1f} a second")
        sample = await self._environment.measured(open_loop(subject, offered, self._seconds, seed))
        self._measured.samples[subject.name, share].append(sample)
        self._measured.offered[subject.name, share].append(offered)

    async def _accept_and_start(self) -> None:
        """One after the other, each when the one before it is over, events included: nothing else is under way."""
        accepts: list[float] = []
        starts: list[float] = []
        customer = await self._storefront.connect()
        deadline = perf_counter() + _ACCEPT_PIECES * self._seconds
        while perf_counter() < deadline or not starts:
            await self._environment.settled()
            # So that both ask on connections that were used a moment before, as `settled` did that of the bare start.
            await customer.ask_readiness()
            accepts.append(await customer.accept())
            await self._environment.settled()
            starts.append(await self._baseline.start())
        customer.close()
        self._measured.accept_seconds.append(accepts)
        self._measured.start_seconds.append(starts)

    def _in_turn(self, number: int) -> list[Subject]:
        """Who came last in one round comes first in the next."""
        subjects: list[Subject] = [self._baseline, self._storefront]
        return subjects if number % 2 == 0 else subjects[::-1]

    def _all_in_turn(self, number: int) -> list[Subject]:
        first, last = self._in_turn(number)
        return [first, self._lower_bound, last]
