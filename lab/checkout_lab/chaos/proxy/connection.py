"""One connection through a proxy: two directions, each with the conditions of the moment."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from checkout_lab.chaos.proxy.taps import ConnectionCut, Tap, TapReply

_CHUNK_BYTES = 65_536
#: How long a client that got a `TapReply` may take to hang up.
_HANG_UP_SECONDS = 2.0


@dataclass(frozen=True)
class LinkConditions:
    """What happens to every byte of a link.

    Each chunk is late by ``latency_seconds`` and up to ``jitter_seconds`` more. ``slice_bytes`` is the longest piece
    that is sent at once, 0 for no limit. Bytes that are lost (requests: from the client, responses: to it) were read
    and go nowhere; a link that ``stalls`` keeps them and delivers them when the conditions change.
    """

    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    slice_bytes: int = 0
    loses_requests: bool = False
    loses_responses: bool = False
    stalls: bool = False


class LinkShaper:
    """Delays and slices the bytes of one link by its conditions, which may change at any time."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._now = LinkConditions()
        self._moving = asyncio.Event()
        self._moving.set()

    @property
    def now(self) -> LinkConditions:
        """The present conditions."""
        return self._now

    def change(self, conditions: LinkConditions) -> None:
        """Apply other conditions."""
        self._now = conditions
        if conditions.stalls:
            self._moving.clear()
        else:
            self._moving.set()

    async def delay(self) -> None:
        """As long as a chunk is under way."""
        if self._now.latency_seconds or self._now.jitter_seconds:
            await asyncio.sleep(self._now.latency_seconds + self.rng.uniform(0, self._now.jitter_seconds))
        await self._moving.wait()

    def pieces(self, data: bytes) -> list[bytes]:
        """Cut a chunk into the pieces that are sent."""
        longest = self._now.slice_bytes
        if not longest:
            return [data]
        pieces = []
        while data:
            size = self.rng.randint(1, longest)
            pieces.append(data[:size])
            data = data[size:]
        return pieces


class ProxiedConnection:
    """A client's connection and ours to the server, until either ends. ``has_lost_bytes``: no healing can mend it."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        shaper: LinkShaper,
        tap: Tap,
    ) -> None:
        self._client_reader, self._client = client
        self._server_reader, self._server = server
        self._shaper = shaper
        self._tap = tap
        self.has_lost_bytes = False

    async def run(self) -> None:
        """Forward in both directions until one side ends; then end the other in the same manner."""
        try:
            await self._forward()
        except TapReply as reply:
            await self._reply(reply.data)
        except (ConnectionCut, OSError):
            self.reset()
        finally:
            self.close()

    async def _forward(self) -> None:
        directions = [asyncio.create_task(self._requests()), asyncio.create_task(self._responses())]
        try:
            done, _ = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.wait(directions)
        for direction in done:
            direction.result()

    def close(self) -> None:
        """End both sides as a program does that closes its socket."""
        self._client.close()
        self._server.close()

    def reset(self) -> None:
        """End both sides by an RST, at once, whatever is still under way."""
        for writer in (self._client, self._server):
            abort(writer)

    async def _requests(self) -> None:
        await self._pump(
            self._client_reader, self._server, self._tap.from_client, lambda conditions: conditions.loses_requests
        )

    async def _responses(self) -> None:
        await self._pump(
            self._server_reader, self._client, self._tap.from_server, lambda conditions: conditions.loses_responses
        )

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        change: Callable[[bytes], bytes],
        is_lost: Callable[[LinkConditions], bool],
    ) -> None:
        while data := await source.read(_CHUNK_BYTES):
            changed = change(data)
            await self._shaper.delay()
            if is_lost(self._shaper.now):
                self.has_lost_bytes = True
            else:
                await self._send(sink, changed)

    async def _send(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        pieces = self._shaper.pieces(data)
        for piece in pieces:
            sink.write(piece)
            await sink.drain()
            if len(pieces) > 1:
                # Without a pause the system would put the pieces together again.
                await asyncio.sleep(0)

    async def _reply(self, data: bytes) -> None:
        """Respond in the server's place, and let the client hang up: to close before it has read would be a reset."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_HANG_UP_SECONDS):
                self._client.write(data)
                await self._client.drain()
                self._client.write_eof()
                while await self._client_reader.read(_CHUNK_BYTES):
                    pass


def abort(writer: asyncio.StreamWriter) -> None:
    """End a connection by an RST: a socket that is closed with a linger of 0 sends one (socket(7), SO_LINGER)."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
