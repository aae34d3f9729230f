"""TCP ports of 127.0.0.1 that nobody takes between our choice and the server's bind.

A server binds its port itself, so we cannot hold it open in its place. Instead, the UDP port of the same number is held
for as long as the claim lives: two runs of this program can then never choose the same port, and a server that died
finds its own again. Free ports come from below the kernel's ephemeral range, where no outgoing connection lands.
"""

import errno
import os
import random
import socket
from types import TracebackType
from typing import Self

from checkout_lab.stack.errors import PortInUse, StackError

HOST = "127.0.0.1"
#: Below the ephemeral ranges of Linux (32768 and up), macOS and Windows (49152 and up).
_FREE_PORTS = range(20_000, 32_000)


class PortClaim:
    """One TCP port that is ours until `close`, or until this process ends in whatever way."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._claim.bind((HOST, port))
            _try_to_listen(port)
        except OSError:
            self._claim.close()
            raise

    def close(self) -> None:
        """Release the port."""
        self._claim.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _try_to_listen(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do, so that connections of an earlier run in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        probe.listen()
    # macOS lets us listen beside a server on all addresses, but that server accepts the connection.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def claim_port(port: int, *, wanted_by: str, remedy: str) -> PortClaim:
    """Claim this very port.

    Raises:
        PortInUse: somebody else has it; the text names who wants it and the ``remedy``.
    """
    try:
        return PortClaim(port)
    except OSError:
        raise PortInUse(port, wanted_by, remedy) from None


def claim_free_port() -> PortClaim:
    """Claim any port that nobody uses.

    Raises:
        StackError: a thousand tries found none.
    """
    for _ in range(1000):
        try:
            return PortClaim(random.choice(_FREE_PORTS))  # noqa: S311 - a port is no secret
        except OSError:
            continue
    raise StackError(f"no free port between {_FREE_PORTS.start} and {_FREE_PORTS.stop} on {HOST}")
