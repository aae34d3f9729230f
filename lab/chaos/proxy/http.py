"""A provider that has gone mad: answers that are refused, wrong, cut short, or far too long."""

import random
from dataclasses import dataclass
from enum import Enum

from lab.chaos.proxy.taps import Reply

#: Well over what the adapter reads.
_HUGE_BYTES = 4 * 1024 * 1024


class Madness(Enum):
    """What becomes of an answer. RATE_LIMITED never reaches the provider; the others were carried out by it."""

    NONE = "none"
    RATE_LIMITED = "rate-limited"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    HUGE = "huge"
    WRONG_CONTENT = "wrong content"


@dataclass
class Asylum:
    """Shared by the taps of a link: the madness of the moment, and which share of the answers has it."""

    rng: random.Random
    madness: Madness = Madness.NONE
    rate: float = 1.0

    def go_mad(self, madness: Madness, rate: float = 1.0) -> None:
        """From now on."""
        self.madness, self.rate = madness, rate

    def calm(self) -> None:
        """No longer."""
        self.madness = Madness.NONE

    def strikes(self) -> bool:
        """Whether the present answer is one of them."""
        return self.madness is not Madness.NONE and self.rng.random() < self.rate


class HttpTap:
    """Follows one connection of HTTP/1.1, on which requests and answers take turns."""

    def __init__(self, asylum: Asylum) -> None:
        self._asylum = asylum
        self._has_asked = False

    def from_client(self, data: bytes) -> bytes:
        """The same, or an answer in the provider's place."""
        if self._asylum.madness is Madness.RATE_LIMITED and not self._has_asked and self._asylum.strikes():
            raise Reply(_RATE_LIMITED)
        self._has_asked = True
        return data

    def from_server(self, data: bytes) -> bytes:
        """The same, or what madness makes of it."""
        begins, self._has_asked = self._has_asked, False
        madness = self._asylum.madness
        if not begins or madness is Madness.RATE_LIMITED or not self._asylum.strikes():
            return data
        if madness is Madness.TRUNCATED:
            raise Reply(_truncated(data))
        raise Reply(_INSTEAD[madness]())


def _answer(status: str, content_type: str, body: bytes, *more: str) -> bytes:
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *more,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def _truncated(data: bytes) -> bytes:
    """The first half of the body; nothing of it where only the head is there yet."""
    head, separator, body = data.partition(b"\r\n\r\n")
    return head + separator + body[: len(body) // 2]


_RATE_LIMITED = _answer(
    "429 Too Many Requests",
    "application/json",
    b'{"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}}',
    "Retry-After: 1",
)
_INSTEAD = {
    Madness.MALFORMED: lambda: _answer("200 OK", "application/json", b'{"id": "pi_1", "status": "succee'),
    Madness.HUGE: lambda: _answer("200 OK", "application/json", b'{"id": "' + b"x" * _HUGE_BYTES + b'"}'),
    Madness.WRONG_CONTENT: lambda: _answer("200 OK", "text/html", b"<html><h1>It works!</h1></html>"),
}
