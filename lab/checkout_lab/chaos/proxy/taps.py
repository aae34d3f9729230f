"""What may look into a proxy's connections: a tap sees every byte of one connection, and decides what becomes of it."""

from collections.abc import Callable
from typing import Protocol


class Tap(Protocol):
    """Sees both directions of one connection from its first byte on.

    Raises, each method:
        ConnectionCut: the connection is reset here, and these bytes go nowhere.
        TapReply: the client gets other bytes instead, and nothing more.
    """

    def from_client(self, data: bytes) -> bytes:
        """What the server gets in place of ``data``."""

    def from_server(self, data: bytes) -> bytes:
        """What the client gets in place of ``data``."""


#: Makes the tap of a new connection.
Taps = Callable[[], Tap]


class ConnectionCut(Exception):
    """The connection breaks at this very byte."""


class TapReply(Exception):
    """The proxy responds to the client with ``data``, after which the connection ends."""

    def __init__(self, data: bytes) -> None:
        super().__init__(f"{len(data)} bytes")
        self.data = data


class NoTap:
    """Changes nothing."""

    def from_client(self, data: bytes) -> bytes:
        """The data unchanged."""
        return data

    def from_server(self, data: bytes) -> bytes:
        """The data unchanged."""
        return data
