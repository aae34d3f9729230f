"""Starts children, starts those that die again, and stops them all, the last first."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from signal import Signals

from checkout_lab.stack.errors import ChildFailed
from checkout_lab.stack.processes.process import Child, Program, Sink, describe_exit

_POLL_SECONDS = 0.05
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
#: A child that has lived this long was well, and its next death is its first.
_WELL_AFTER_SECONDS = 10.0


class Supervisor:
    """The children of one stack. ``announce`` takes a line for people whenever one is started again."""

    def __init__(self, sink: Sink, announce: Callable[[str], None]) -> None:
        self._sink = sink
        self._announce = announce
        self._children: dict[str, Child] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._held: dict[str, asyncio.Event] = {}

    @property
    def pids(self) -> dict[str, int]:
        """role -> process id, as of now."""
        return {role: child.pid for role, child in self._children.items()}

    async def start(self, program: Program) -> None:
        """Start the program, wait until it is ready, and look after it from then on.

        Raises:
            ChildFailed: it did not become ready; it is stopped with the others.
        """
        child = self._children[program.role] = await Child.start(program, self._sink)
        await child.ready()
        self._watchers.append(asyncio.create_task(self._keep(child)))

    def signal(self, role: str, number: Signals, *, with_children: bool = False) -> None:
        """Send a signal to the role's child, as `Child.signal` does."""
        self._children[role].signal(number, with_children=with_children)

    def hold(self, role: str) -> None:
        """Leave the role's child dead once it has died, until `release`."""
        self._held.setdefault(role, asyncio.Event())

    def release(self, role: str) -> None:
        """Start the role's child again if it has died, and whenever it dies from now on."""
        if released := self._held.pop(role, None):
            released.set()

    async def ready(self, role: str, other_than: int | None = None) -> None:
        """Wait until the role's child serves, and is another process than this one, which was told to end."""
        while True:
            child = self._children[role]
            with suppress(ChildFailed):  # The next one is on its way.
                if child.pid != other_than:
                    await child.ready()
                    return
            await asyncio.sleep(_POLL_SECONDS)

    async def stop(self) -> None:
        """Stop all children, the last started first, each gracefully if it can."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for role, child in reversed(self._children.items()):
            if not await child.stop():
                self._announce(f"{role} did not stop in {child.program.stop_timeout_seconds:.0f} s and was killed")

    def kill(self) -> None:
        """Kill every child at once: for a second Ctrl-C."""
        for child in self._children.values():
            child.kill()

    async def _keep(self, child: Child) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            why = describe_exit(await child.exited())
            # What it left behind (PostgreSQL's children) would be in the way of the next one.
            await child.stop()
            if time.monotonic() - started > _WELL_AFTER_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            if released := self._held.get(child.program.role):
                await released.wait()
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            child = await self._start_again(child.program, why)

    async def _start_again(self, program: Program, why: str) -> Child:
        child = self._children[program.role] = await Child.start(program, self._sink)
        self._announce(f"{program.role} died {why}; restarted as pid {child.pid}")
        try:
            await child.ready()
        except ChildFailed as error:
            self._announce(str(error).splitlines()[0])
            await child.stop()
        return child
