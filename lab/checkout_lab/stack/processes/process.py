"""One server process: what it is, how it starts, when it is ready, how it stops."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from checkout_lab.stack.errors import ChildFailed
from checkout_lab.stack.processes import tether

#: Takes one line of a child's output: its role and the text.
Sink = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A server and how to deal with it.

    ``port`` is where it must listen once it is ready; ``is_ready`` asks it. ``account`` is whom it runs as (uid and
    gid), None for ourselves. ``stop_signal`` asks it to finish, for which it has ``stop_timeout_seconds``;
    ``death_signal`` is what the kernel sends it when we are killed ourselves.
    """

    role: str
    command: tuple[str, ...]
    port: int
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str]
    account: tuple[int, int] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    start_timeout_seconds: float = 60
    stop_timeout_seconds: float = 15


class Child:
    """A running `Program`. Its output goes line by line to the sink."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process, sink: Sink) -> None:
        self.program = program
        self._process = process
        self._last_lines: deque[str] = deque(maxlen=15)
        self._sink = sink
        self._killed = False
        self._pump = asyncio.create_task(self._pump_output())
        self._exit = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, program: Program, sink: Sink) -> "Child":
        """Start the program in a session of its own, so that a Ctrl-C in the terminal reaches only us."""
        process = await spawn(
            *(sys.executable, "-I", "-S", tether.__file__),
            *(str(int(program.death_signal)), str(os.getpid())),
            "{}:{}".format(*program.account) if program.account else "-",
            *program.command,
            env=dict(program.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return cls(program, process, sink)

    @property
    def pid(self) -> int:
        """The process id; the tether keeps it when it becomes the program."""
        return self._process.pid

    async def exited(self) -> int:
        """Wait for the end; its exit status, negative for the signal that ended it."""
        return await asyncio.shield(self._exit)

    async def ready(self) -> None:
        """Wait until the program serves on its port.

        Raises:
            ChildFailed: it ended first, or took longer than ``start_timeout_seconds``.
        """
        try:
            async with asyncio.timeout(self.program.start_timeout_seconds):
                while not (await self.program.is_ready() and self._listens()):
                    await self._pause_unless_ended()
        except TimeoutError:
            raise ChildFailed(self._with_last_lines("is not ready in time")) from None

    async def _pause_unless_ended(self) -> None:
        await asyncio.wait([self._exit], timeout=0.05)
        if self._exit.done():
            await self._drain()
            raise ChildFailed(self._with_last_lines(f"ended {describe_exit(self._exit.result())}"))

    def _listens(self) -> bool:
        """Whether it is our own child that listens on the port, and not somebody else's server."""
        try:
            ours = psutil.Process(self.pid)
            return any(
                connection.status == psutil.CONN_LISTEN and connection.laddr[1] == self.program.port
                for process in (ours, *ours.children(recursive=True))
                for connection in process.net_connections("tcp")
            )
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            # Another user's process may be closed to us; then what `is_ready` says has to do.
            return True

    def signal(self, number: signal.Signals, *, with_children: bool = False) -> None:
        """Send the signal, to the processes that it started as well if wanted; nothing once it has ended."""
        with suppress(psutil.NoSuchProcess):
            if not self._exit.done():
                process = psutil.Process(self.pid)
                for one in (process, *(process.children(recursive=True) if with_children else ())):
                    one.send_signal(number)

    async def stop(self) -> bool:
        """Ask it to finish, and kill its whole process group when it does not; whether it finished by itself."""
        finished = True
        if not self._exit.done():
            self._process.send_signal(self.program.stop_signal)
            await asyncio.wait([self._exit], timeout=self.program.stop_timeout_seconds)
            finished = self._exit.done()
        self.kill()
        await self.exited()
        await self._drain()
        return finished

    def kill(self) -> None:
        """Kill what is left of its process group, once: later, the number may be another's."""
        if not self._killed:
            self._killed = True
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def _drain(self) -> None:
        """Take the last lines; a grandchild that keeps the pipe open is not waited for."""
        await asyncio.wait([self._pump], timeout=1)
        self._pump.cancel()
        await asyncio.wait([self._pump])

    async def _pump_output(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        rest = b""
        while chunk := await stream.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
        if rest:
            self._take(rest)

    def _take(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self._last_lines.append(text)
        self._sink(self.program.role, text)

    def _with_last_lines(self, what: str) -> str:
        return "\n".join([f"{self.program.role} {what}", *(f"  {line}" for line in self._last_lines)])


async def spawn(*command: str, **options: Any) -> asyncio.subprocess.Process:
    """Start a process in a session of its own; a cancellation meanwhile ends it, instead of losing it."""
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec(*command, start_new_session=True, **options))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await end(await starting)
        raise


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process of `spawn` with all that it started, and wait until they are gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()


def describe_exit(status: int) -> str:
    """``(signal 9)`` or ``(exit status 1)``."""
    return f"(signal {-status})" if status < 0 else f"(exit status {status})"


@asynccontextmanager
async def running(program: Program, sink: Sink) -> AsyncIterator[Child]:
    """The program, ready within the block and stopped after it.

    Raises:
        ChildFailed: it did not become ready.
    """
    child = await Child.start(program, sink)
    try:
        await child.ready()
        yield child
    finally:
        await child.stop()


async def listens(port: int) -> bool:
    """Whether anybody accepts connections on the port of 127.0.0.1: cheaper to ask than a protocol."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def python_path(script: str) -> Path | None:
    """A program that was installed beside this interpreter, if it is there."""
    import sysconfig  # noqa: PLC0415

    path = Path(sysconfig.get_path("scripts")) / script
    return path if path.is_file() else None
