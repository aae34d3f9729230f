"""A TCP proxy between two of our processes, which can delay, lose, cut or corrupt what passes."""

import asyncio
import random
from types import TracebackType
from typing import Self

from checkout_lab.chaos.proxy.connection import LinkConditions, LinkShaper, ProxiedConnection, abort
from checkout_lab.chaos.proxy.taps import NoTap, Taps
from checkout_lab.stack.processes.ports import HOST


class Proxy:
    """One link: listens on ``port`` of 127.0.0.1 while it is entered, and forwards to ``target_port``.

    A client whose target is away is accepted and then reset, since a proxy learns of it only afterwards. ``rng`` draws
    jitter and sizes of slices. ``taps`` makes the tap of each connection.
    """

    def __init__(self, name: str, port: int, target_port: int, rng: random.Random, taps: Taps = NoTap) -> None:
        self.name = name
        self.port = port
        self.target_port = target_port
        self._shaper = LinkShaper(rng)
        self._taps = taps
        self._listener: asyncio.Server | None = None
        self._mending = asyncio.Lock()
        self._connections: set[ProxiedConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many connections there are at the moment."""
        return len(self._connections)

    def change(self, conditions: LinkConditions) -> None:
        """Apply these conditions to all connections, old and new; connections that have lost bytes are reset."""
        for connection in [connection for connection in self._connections if connection.has_lost_bytes]:
            connection.reset()
        self._shaper.change(conditions)

    def reset(self) -> None:
        """End every connection by an RST. New ones are taken."""
        for connection in list(self._connections):
            connection.reset()

    async def cut(self) -> None:
        """Close every connection, and refuse new ones until `heal`."""
        if self._listener:
            listener, self._listener = self._listener, None
            listener.close()
        for connection in list(self._connections):
            connection.close()

    async def heal(self) -> None:
        """Forward everything, as it should be. Connections that have lost bytes are reset."""
        self.change(LinkConditions())
        # Two faults may have cut the same link, and both mend it.
        async with self._mending:
            if not self._listener:
                await self._listen()

    async def _listen(self) -> None:
        # start_server sets SO_REUSEADDR, so that a port that was cut can be had again.
        self._listener = await asyncio.start_server(self._take, HOST, self.port)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Here and not in the task: one that is cancelled before its first step would close nothing.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            abort(writer)
            return
        if self._listener is None:  # It was cut meanwhile.
            abort(writer)
            abort(server[1])
            return
        connection = ProxiedConnection((reader, writer), server, self._shaper, self._taps())
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
