"""Growth: what a checkout costs when there is more of something, beside the baseline, which it does not concern."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkout_lab.bench.environment.database import SKUS
from checkout_lab.bench.environment.environment import BenchEnvironment
from checkout_lab.bench.growth.rows import write_past_orders
from checkout_lab.bench.load.loops import Subject, closed_count, closed_loop
from checkout_lab.bench.load.samples import Sample
from checkout_lab.bench.load.storefront import Cart, Storefront, Tally
from checkout_lab.bench.progress import Steps

_CLIENTS: Final = 8
#: Who parks checkouts does not wait for them, so many do it at once.
_PARKING_CLIENTS: Final = 16

_DECLINED: Final = Cart(SKUS, payment_method="pm_card_visa_chargeDeclined")

#: What grows -> how much of it there is at each point.
POINTS: Final[dict[str, tuple[int, ...]]] = {
    "orders": (1_000, 10_000, 100_000, 1_000_000),
    "open": (0, 1_000, 2_500, 5_000),
    "lines": (1, 10, 50, 100),
    "workers": (1, 2, 3, 4),
}


@dataclass
class Point:
    """So much of it, and the samples of each round."""

    amount: int
    checkout: list[Sample] = field(default_factory=list)
    baseline: list[Sample] = field(default_factory=list)


class Growth:
    """Measures the points one after the other, each with what the ones before have left."""

    def __init__(self, environment: BenchEnvironment, seconds: float, rounds: int, steps: Steps) -> None:
        self._environment = environment
        self._seconds = seconds
        self._rounds = rounds
        self._steps = steps
        self._cart = Cart(SKUS)
        self._amount = 0

    async def run(self, what: str, amounts: Sequence[int]) -> list[Point]:
        """Grow to each amount, and measure there.

        Raises:
            BenchError: a process is away or has died; nothing of it may be reported.
        """
        self._steps.expect(2 + len(amounts) * (1 + 2 * self._rounds))
        grow: dict[str, Callable[[int], Awaitable[None]]] = {
            "orders": self._write_orders,
            "open": self._park,
            "lines": self._lengthen_carts,
            "workers": self._add_workers,
        }
        await self._warm_up()
        points = []
        for amount in amounts:
            self._steps.begin(f"{what}: up to {amount:,}")
            await grow[what](amount)
            await self._environment.settled()
            self._amount = amount
            points.append(await self._measure(what, amount))
        return points

    async def _warm_up(self) -> None:
        for subject in self._subjects():
            self._steps.begin(f"warm-up: {subject.name}")
            await self._environment.measured(closed_loop(subject, _CLIENTS, self._seconds))

    async def _measure(self, what: str, amount: int) -> Point:
        point = Point(amount)
        for _ in range(self._rounds):
            for subject, samples in zip(self._subjects(), (point.baseline, point.checkout), strict=True):
                self._steps.begin(f"{what} {amount:,}: {subject.name}")
                samples.append(await self._environment.measured(closed_loop(subject, _CLIENTS, self._seconds)))
        return point

    def _subjects(self) -> list[Subject]:
        return [self._environment.baseline(), self._environment.storefront(self._cart)]

    async def _write_orders(self, amount: int) -> None:
        await write_past_orders(self._environment.database, self._amount, amount)

    async def _lengthen_carts(self, amount: int) -> None:
        self._cart = Cart(SKUS, lines=amount)

    async def _add_workers(self, amount: int) -> None:
        for _ in range(max(1, self._amount), amount):
            await self._environment.add_worker()

    async def _park(self, amount: int) -> None:
        """Start checkouts whose payment is declined, and which then wait for their customer."""
        parked = Tally()
        await closed_count(
            Storefront(self._environment.info, _DECLINED, parked), _PARKING_CLIENTS, amount - self._amount
        )
        self._environment.parked = amount
