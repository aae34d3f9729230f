"""What is checked while faults happen: the invariants, about once a second, and how terminated checkouts end."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import httpx
import psycopg

from checkout_lab.chaos.checker.books import Violation
from checkout_lab.chaos.checker.checker import Checker
from checkout_lab.chaos.load.load import Load
from checkout_lab.chaos.load.shopper import TERMINATED

_PAUSE_SECONDS: Final = 1.0
#: The checker takes this part of the time at most, so that it does not become a load itself.
_SHARE: Final = 0.2
_MENDING_PAUSE_SECONDS: Final = 0.5


class Watch:
    """Asks "always" again and again within its block. ``found`` is what was wrong, ``alarm`` is set with the first.

    ``rounds`` counts the times that the checker could see everything, ``missed`` those when a server was away.
    ``says`` takes a line for people.
    """

    def __init__(self, checker: Checker, load: Load, says: Callable[[str], None]) -> None:
        self.found: set[Violation] = set()
        self.alarm = asyncio.Event()
        self.rounds = 0
        self.missed = 0
        self._says = says
        self._checker = checker
        self._load = load
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._look_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    def check(self) -> None:
        """Raise the error with which the watch itself has failed. Without this, it would seem that nothing is wrong.

        Raises:
            BaseExceptionGroup: whatever it failed with.
        """
        if self._watching and self._watching.done():
            self._watching.result()

    def report(self, *violations: Violation) -> None:
        """Something is wrong; each is told of once."""
        for violation in set(violations) - self.found:
            self.found.add(violation)
            self._says(f"violation: {violation}")
            self.alarm.set()

    async def _look_on(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again_and_again(self._check, _PAUSE_SECONDS))
            group.create_task(self._again_and_again(self._mend, _MENDING_PAUSE_SECONDS))

    async def _again_and_again(self, look: Callable[[], Awaitable[None]], pause_seconds: float) -> None:
        while True:
            started = time.monotonic()
            try:
                await look()
            except (psycopg.Error, httpx.HTTPError):
                # That the servers go away is the purpose. The next look is soon.
                self.missed += 1
            await asyncio.sleep(max(pause_seconds, (time.monotonic() - started) / _SHARE))

    async def _check(self) -> None:
        self.report(*self._load.complaints, *await self._checker.always(self._load.promises))
        self.rounds += 1

    async def _mend(self) -> None:
        """HTTP says no more of what was terminated, and reconciliation undoes it: the tables tell when."""
        broken = [session for session in self._load.accepted if session.promise.broken and not session.is_over]
        if broken:
            statuses = await self._checker.statuses([session.checkout_id for session in broken])
            for session in broken:
                session.sees(statuses.get(session.checkout_id, TERMINATED))
