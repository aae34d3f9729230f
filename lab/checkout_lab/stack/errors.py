"""What can go wrong with processes on this machine."""

from checkout.domain.errors import CheckoutError


class StackError(CheckoutError):
    """The developer's stack cannot start or go on. The text says what to do."""


class PortInUse(StackError):
    """Another program listens already where a server of the stack should. ``port`` is the one."""

    def __init__(self, port: int, wanted_by: str, remedy: str) -> None:
        super().__init__(f"port {port} is in use, and {wanted_by} wants it: {remedy}")
        self.port = port


class ChildFailed(StackError):
    """A child process ended, or never became ready. The text ends with its last lines."""
