"""The load: seeded shoppers who come at a rate, whether those before them are done or not, and remember everything."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from checkout_lab.chaos.checker.books import Violation
from checkout_lab.chaos.checker.promise_checks import Promise
from checkout_lab.chaos.load.http import CheckoutFailed, Clients
from checkout_lab.chaos.load.scenarios import Scenario, draw, draw_simple
from checkout_lab.chaos.load.shopper import Session, Shopper
from checkout_lab.chaos.load.support import SupportAgent

_BUYERS_MEASURED: Final = 8
_LOOKS_AT_ONCE: Final = 8
_FINAL_STAYS: Final = "7: what HTTP called final stays"
_TELL_SECONDS: Final = 0.2
_HOW_LONG_A_CROWD_MAY_WAIT_SECONDS: Final = 30.0


class Load:
    """Every shopper of a campaign. ``capacity`` is in checkouts a second, once it was measured."""

    def __init__(self, clients: Clients, seed: int, complaints: list[Violation]) -> None:
        self.clients = clients
        self.sessions: list[Session] = []
        self.complaints = complaints
        self.capacity: float | None = None
        self._seed = seed
        self._drawn = 0
        self._support = SupportAgent(clients, self._rng("support"))
        self._tasks: dict[asyncio.Task[None], Session] = {}
        self._failures: list[BaseException] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(list(self._tasks))

    @property
    def promises(self) -> Sequence[Promise]:
        """What the shop has told for every key."""
        return [session.promise for session in self.sessions]

    @property
    def accepted(self) -> list[Session]:
        """Those who were told that their checkout is under way."""
        return [session for session in self.sessions if session.accepted_at is not None]

    def add(self, scenario: Scenario) -> Session:
        """Let a shopper begin; it goes on by itself."""
        session = Session(scenario, Promise(scenario.key, scenario.body))
        self.sessions.append(session)
        shopper = Shopper(session, self.clients, self._rng(scenario.key), self._support.help)
        task = asyncio.create_task(shopper.run())
        self._tasks[task] = session
        task.add_done_callback(self._ended)
        return session

    def scenario(self, make: Callable[[random.Random, str], Scenario] = draw) -> Scenario:
        """The next scenario, drawn from the campaign's seed and its number."""
        self._drawn += 1
        key = f"chaos-{self._seed}-{self._drawn}"
        return make(self._rng(f"scenario-{key}"), key)

    async def measure(self, checkouts: int) -> float:
        """How many checkouts a second are confirmed when some buyers buy again as soon as they can."""
        started, before = time.monotonic(), len(self.sessions)

        async def buy_again_and_again() -> None:
            while len(self.sessions) < before + checkouts:
                await self.until_over(self.add(self.scenario(draw_simple)))

        await asyncio.gather(*(buy_again_and_again() for _ in range(_BUYERS_MEASURED)))
        self.capacity = (len(self.sessions) - before) / (time.monotonic() - started)
        return self.capacity

    async def arrive(self, per_second: float, is_enough: Callable[[], bool]) -> None:
        """Let shoppers come in at random, so many a second on average, until it is enough."""
        rng = self._rng("arrivals")
        due = time.monotonic()
        while not is_enough():
            self.add(self.scenario())
            due += rng.expovariate(per_second)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.check()

    async def until_over(self, session: Session) -> None:
        """Wait until the shopper is done."""
        while not session.is_over and not session.promise.broken:
            await asyncio.sleep(0.02)
            self.check()

    async def crowd(self, scenarios: Sequence[Scenario]) -> None:
        """Let all of them begin at once; returns when each was accepted, or after half a minute.

        A crowd of n has to be served before the last of it can be: n / capacity is what it takes by design.
        """
        sessions = [self.add(scenario) for scenario in scenarios]
        served_at = time.monotonic() + len(sessions) / (self.capacity or 10)
        for session in sessions:
            session.due_at = served_at
        with suppress(TimeoutError):
            async with asyncio.timeout(_HOW_LONG_A_CROWD_MAY_WAIT_SECONDS):
                for session in sessions:
                    await session.accepted.wait()

    async def rest(self, deadline: float, tell: Callable[[], None]) -> None:
        """Wait until every shopper is done; they all leave at the deadline (monotonic), done or not.

        Who has not even got in leaves half-way before, so that nobody comes in at the last moment. ``tell`` is called
        now and then.
        """
        half_way = (time.monotonic() + deadline) / 2
        while self._tasks and time.monotonic() < deadline:
            await asyncio.wait(self._tasks, timeout=_TELL_SECONDS)
            self.check()
            tell()
            if time.monotonic() > half_way:
                await self._leave([task for task, session in self._tasks.items() if session.accepted_at is None])
        await self._leave(list(self._tasks))

    async def look_again(self, timeout_seconds: float) -> None:
        """Have every promise's ``last`` be what HTTP says of it now.

        Raises:
            TimeoutError: one of them got no response within ``timeout_seconds``. All together may take longer.
        """
        gate = asyncio.Semaphore(_LOOKS_AT_ONCE)

        async def look(session: Session) -> None:
            try:
                async with gate, asyncio.timeout(timeout_seconds):
                    path = f"/v1/checkouts/{session.checkout_id}"
                    response = await self.clients.shop.request("GET", path, frozenset({200}))
            except CheckoutFailed:
                session.promise.broken = True
                if session.promise.first_final:
                    self.complaints.append(
                        Violation(_FINAL_STAYS, session.checkout_id, "was final, and has failed now")
                    )
            else:
                session.promise.last = response.json() if response.is_success else session.promise.last

        try:
            async with asyncio.TaskGroup() as looks:
                for session in self.accepted:
                    if not session.promise.broken:
                        looks.create_task(look(session))
        except* TimeoutError as late:
            raise TimeoutError from late

    def check(self) -> None:
        """Raise the error with which the load itself has failed. Without this, it would seem that a checkout was lost.

        Raises:
            Exception: whatever a shopper failed with.
        """
        if self._failures:
            raise self._failures[0]

    async def _leave(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _rng(self, name: str) -> random.Random:
        """A random generator for each user of one, so that the draws of one do not change those of another."""
        return random.Random(f"{self._seed}-{name}")  # noqa: S311 - a campaign has to be repeatable

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()):
            self._failures.append(error)
