"""Those who come to a shop that is overloaded: regulars, floods of visitors, a rush, and others who only pass by."""

import asyncio
import os
import random
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from itertools import count

from checkout.config.settings import ApiSettings
from tests.e2e.crowd import Crowd, Response

#: How much longer than usual it is measured.
SCALE = int(os.environ.get("OVERLOAD_SCALE", "1"))
WINDOW_SECONDS = 2.0 + 0.5 * SCALE
#: For how long an accepted checkout may have to wait.
_LONGEST_WAIT_SECONDS: float = ApiSettings.model_fields["api_shed_above_seconds"].default
#: Buyers who always have a checkout under way: as many as the shop is at its best with.
REGULARS = 24
LEAST_ROUNDS, MOST_ROUNDS = 3 * SCALE, 8 * SCALE
BOOKS = [f"BOOK-{n}" for n in range(10)]


def served(responses: Sequence[Response]) -> list[Response]:
    """Those whose checkout came to its end while they waited."""
    return [response for response in responses if response.status == 200]


def quantile_ms(responses: Sequence[Response], part: float) -> float:
    """How long all but the slowest of them waited: those beyond this part."""
    ordered = sorted(response.seconds for response in responses)
    return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


class Market:
    """Regulars, who keep the shop as busy as it likes to be, and floods of others who come on top of that."""

    def __init__(self, crowd: Crowd) -> None:
        self.responses: list[Response] = []
        #: How many times its pace was offered -> how many customers were served in each window of that kind.
        self.served: dict[int, list[int]] = {0: [], 3: [], 10: []}
        self._crowd = crowd
        self._visitors: set[asyncio.Task[None]] = set()

    async def come_and_go(self, place: int) -> None:
        """A regular, who buys one book after the other."""
        while True:
            response = await self._buy(BOOKS[place % len(BOOKS)])
            if response.was_shed:
                # Sooner than they are told, and as slowly as a person: the shop has to be asked all the time.
                await asyncio.sleep(0.2)

    async def window(self, times: int) -> None:
        """Some seconds with so many times more visitors than the shop can serve.

        It is first come, first served: whoever is served at first came in the window before, and is not counted.
        """
        await self._flood(times, _LONGEST_WAIT_SECONDS)
        before = len(served(self.responses))
        await self._flood(times, WINDOW_SECONDS)
        self.served[times].append(len(served(self.responses)) - before)

    async def _flood(self, times: int, seconds: float) -> None:
        begun, came = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            while came < passed * times * self.pace:
                visitor = asyncio.create_task(self._visit(BOOKS[came % len(BOOKS)]))
                self._visitors.add(visitor)
                visitor.add_done_callback(self._visitors.discard)
                came += 1
            await asyncio.sleep(0.005)

    @property
    def pace(self) -> float:
        """How many customers a second are served in calm windows, which is the shop at its best."""
        return statistics.fmean(self.served[0]) / WINDOW_SECONDS if self.served[0] else 0.0

    @property
    def goodput(self) -> float:
        """How many customers are served in a flood, of as many as are served in calm."""
        return statistics.fmean(self.served[3] + self.served[10]) / max(statistics.fmean(self.served[0]), 0.1)

    def is_decided(self, enough: float) -> bool:
        """Whether it has been measured for long enough. What looks too bad gets more rounds, because it is noise when
        the machine is busy with something else, and stays bad when the shop is.
        """
        rounds = len(self.served[10])
        return rounds >= MOST_ROUNDS or (rounds >= LEAST_ROUNDS and self.goodput >= enough)

    async def last_visitor(self) -> None:
        """Wait until everybody has a response."""
        await asyncio.gather(*self._visitors)

    async def _visit(self, sku: str) -> None:
        await self._buy(sku)

    async def _buy(self, sku: str) -> Response:
        response = await self._crowd.buy(sku)
        self.responses.append(response)
        return response


class Rush:
    """Everybody wants one unit of the same article, and comes back when told to, until they have a result."""

    def __init__(self, crowd: Crowd, buyers: int) -> None:
        self.responses: list[Response] = []
        self._goes_on = asyncio.Event()
        self._crowd = crowd
        self._buyers = buyers
        self._arrive_within_seconds = buyers / 500
        self._asking = 0

    @property
    def bought(self) -> list[Response]:
        """Those who got one."""
        return [response for response in served(self.responses) if response.body["status"] == "confirmed"]

    async def insist(self) -> None:
        """One buyer."""
        key, response = uuid.uuid4().hex, None
        while response is None or response.status != 200:
            await self._door_opens(response)
            self._asking += 1
            response = await self._crowd.buy("HOT", key=key)
            self._asking -= 1
            self.responses.append(response)
            if response.status != 200:
                await asyncio.sleep(response.retry_after_seconds)

    async def _door_opens(self, told: Response | None) -> None:
        """Nobody asks while the others are measured alone; later they come back out of step."""
        while not self._goes_on.is_set():
            await self._goes_on.wait()
            await asyncio.sleep(random.uniform(0, told.retry_after_seconds if told else self._arrive_within_seconds))

    async def opens(self) -> None:
        """Open the door, and wait until the first storm is over: whoever was quick is served, the others come back."""
        before = len(self.responses)
        self._goes_on.set()
        while len(self.responses) < max(self._buyers, before + 50) or self._asking > 8:
            await asyncio.sleep(0.05)

    async def last_buyer(self) -> None:
        """Open the door, and wait until everybody has bought or was refused."""
        self._goes_on.set()
        while len(served(self.responses)) < self._buyers:
            await asyncio.sleep(0.05)

    def closes(self) -> None:
        """Nobody else asks from now on."""
        self._goes_on.clear()

    async def over(self) -> None:
        """Wait until nobody is asking."""
        while self._asking:
            await asyncio.sleep(0.05)


class Others:
    """Customers who come by all the time, two a second, and buy something else."""

    def __init__(self, crowd: Crowd) -> None:
        #: When they came -> what they were told.
        self.told: dict[str, list[Response]] = {"alone": [], "in the rush": [], "between": []}
        self._crowd = crowd
        self._when = "between"
        self._came: Counter[str] = Counter()

    async def come_by(self) -> None:
        """They do not wait for each other."""
        async with asyncio.TaskGroup() as customers:
            for number in count():
                self._came[self._when] += 1
                customers.create_task(self._buy(BOOKS[number % len(BOOKS)], self._when))
                await asyncio.sleep(0.5)  # The pace of their coming, which is what is measured.

    async def buy_six(self, when: str) -> None:
        """Wait until six have come, and have what they came for."""
        self._when, enough = when, self._came[when] + 6
        while self._came[when] < enough:
            await asyncio.sleep(0.01)
        self._when = "between"
        while len(self.told[when]) < self._came[when]:
            await asyncio.sleep(0.01)

    @property
    def responses(self) -> list[Response]:
        """What all of them were told."""
        return [response for responses in self.told.values() for response in responses]

    @property
    def slower(self) -> float:
        """How many times longer half of them wait at most in the rush."""
        return quantile_ms(self.told["in the rush"], 0.5) / quantile_ms(self.told["alone"], 0.5)

    def are_decided(self, enough: float) -> bool:
        """Whether it has been measured for long enough; as `Market.is_decided`."""
        rounds = self._came["in the rush"] // 6
        return rounds >= MOST_ROUNDS or (rounds >= LEAST_ROUNDS and self.slower <= enough)

    async def _buy(self, sku: str, when: str) -> None:
        self.told[when].append(await self._crowd.buy(sku))
