"""Corrupt responses of the provider: those that are refused, wrong, cut short, or far too long."""

import random
from dataclasses import dataclass
from enum import Enum

from checkout_lab.chaos.proxy.taps import TapReply

#: Well over what the adapter reads.
_HUGE_BYTES = 4 * 1024 * 1024


class Corruption(Enum):
    """What becomes of a response. RATE_LIMITED never reaches the provider; the others were carried out by it."""

    NONE = "none"
    RATE_LIMITED = "rate-limited"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    HUGE = "huge"
    WRONG_CONTENT = "wrong content"


@dataclass
class ResponseCorrupter:
    """Shared by the taps of a link: the corruption of the moment, and which part of the responses has it."""

    rng: random.Random
    corruption: Corruption = Corruption.NONE
    rate: float = 1.0

    def start(self, corruption: Corruption, rate: float = 1.0) -> None:
        """Corrupt this part of the responses, until `stop`."""
        self.corruption, self.rate = corruption, rate

    def stop(self) -> None:
        """Corrupt no more responses."""
        self.corruption = Corruption.NONE

    def applies(self) -> bool:
        """Draw whether the present response is corrupted."""
        return self.corruption is not Corruption.NONE and self.rng.random() < self.rate


class HttpTap:
    """Follows one connection of HTTP/1.1, on which requests and responses take turns."""

    def __init__(self, corrupter: ResponseCorrupter) -> None:
        self._corrupter = corrupter
        self._has_asked = False

    def from_client(self, data: bytes) -> bytes:
        """The data unchanged, or an error response in the provider's place."""
        if self._corrupter.corruption is Corruption.RATE_LIMITED and not self._has_asked and self._corrupter.applies():
            raise TapReply(_RATE_LIMITED)
        self._has_asked = True
        return data

    def from_server(self, data: bytes) -> bytes:
        """The data unchanged, or its corrupted form."""
        begins, self._has_asked = self._has_asked, False
        corruption = self._corrupter.corruption
        if not begins or corruption is Corruption.RATE_LIMITED or not self._corrupter.applies():
            return data
        if corruption is Corruption.TRUNCATED:
            raise TapReply(_truncated(data))
        raise TapReply(_INSTEAD[corruption]())


def _response(status: str, content_type: str, body: bytes, *more: str) -> bytes:
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "ProxiedConnection: close",
        *more,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def _truncated(data: bytes) -> bytes:
    """The first half of the body; nothing of it where only the head is there yet."""
    head, separator, body = data.partition(b"\r\n\r\n")
    return head + separator + body[: len(body) // 2]


_RATE_LIMITED = _response(
    "429 Too Many Requests",
    "application/json",
    b'{"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}}',
    "Retry-After: 1",
)
_INSTEAD = {
    Corruption.MALFORMED: lambda: _response("200 OK", "application/json", b'{"id": "pi_1", "status": "succee'),
    Corruption.HUGE: lambda: _response("200 OK", "application/json", b'{"id": "' + b"x" * _HUGE_BYTES + b'"}'),
    Corruption.WRONG_CONTENT: lambda: _response("200 OK", "text/html", b"<html><h1>It works!</h1></html>"),
}
