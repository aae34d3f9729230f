"""A crowd of buyers: many more requests at once than a comfortable HTTP client could send from the same machine."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.dev_process import DevProcess


@dataclass(frozen=True)
class Response:
    """What a buyer was told, and after how long. ``body`` is a view or a problem."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]
    seconds: float

    @property
    def was_shed(self) -> bool:
        """Whether the buyer was told to come back."""
        return self.status in (429, 503)

    @property
    def retry_after_seconds(self) -> int:
        """When to come back."""
        return int(self.headers["retry-after"])


class Crowd:
    """Buys over plain HTTP/1.1, on as many connections as there are buyers at once, kept open for the next."""

    def __init__(self, url: str, key: str) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        self._host, self._port, self._key = place.hostname, place.port, key
        self._writers: list[asyncio.StreamWriter] = []
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def buy(self, sku: str, *, key: str | None = None, wait: int = 25) -> Response:
        """One unit of the article."""
        body = {
            "customer_id": "cus_42",
            "currency": "EUR",
            "lines": [{"sku": sku, "quantity": 1}],
            "payment_method": "pm_card_visa",
        }
        headers = {"Idempotency-Key": key or uuid.uuid4().hex, "Prefer": f"wait={wait}"}
        return await self.request("POST", "/v1/checkouts", body, headers)

    async def request(
        self, verb: str, path: str, body: dict[str, Any] | None = None, headers: Mapping[str, str] = {}
    ) -> Response:
        """One request, and its response."""
        begun = time.perf_counter()
        reader, writer = self._idle.pop() if self._idle else await self._connect()
        try:
            writer.write(self._message(verb, path, body, headers))
            status, received = _head(await reader.readuntil(b"\r\n\r\n"))
            content = await reader.readexactly(int(received.get("content-length", "0")))
        except BaseException:
            writer.close()  # What is left of this response must not be taken for the next.
            raise
        self._idle.append((reader, writer))
        seconds = time.perf_counter() - begun
        return Response(status, received, json.loads(content) if b"{" in content[:1] else {}, seconds)

    async def close(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        self._writers.append(writer)
        return reader, writer

    def _message(self, verb: str, path: str, body: dict[str, Any] | None, headers: Mapping[str, str]) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        lines = {
            "Host": f"{self._host}:{self._port}",
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{verb} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


@asynccontextmanager
async def crowd_before(stack: DevProcess) -> AsyncIterator[Crowd]:
    """A crowd of the stack's storefront."""
    crowd = Crowd(stack.info["api_url"], stack.info["storefront_key"])
    try:
        yield crowd
    finally:
        await crowd.close()


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = raw.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}
