"""What a command says when it cannot do its work: a line that tells what to do, and no traceback.

Exit status: 1 it failed, 2 it was called or configured wrongly.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from checkout.config.settings import DatabaseSettings, TemporalSettings
from checkout.domain.errors import CheckoutError, ConfigurationError

FAILED = 1
MISUSED = 2


def give_up(status: int, text: str) -> NoReturn:
    """End the process; every line of the text goes to standard error behind the program's name."""
    sys.stderr.writelines(f"checkout: {line}\n" for line in text.splitlines())
    sys.exit(status)


@contextmanager
def explained() -> Iterator[None]:
    """End the process in words when the block raises what a person can mend."""
    try:
        yield
    except ConfigurationError as error:
        give_up(MISUSED, str(error))
    except CheckoutError as error:
        give_up(FAILED, str(error))
    except KeyboardInterrupt:
        # 128 and the number of the signal, as shells have it.
        sys.exit(130)
    except OSError as error:
        # A port in use, a full disk, a file that is not ours: the machine's fault, and the text names what.
        give_up(FAILED, str(error))


@contextmanager
def database_explained(settings: DatabaseSettings) -> Iterator[None]:
    """Say where PostgreSQL should be when it is away or refuses us."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - slow to import, and not every command needs it
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    try:
        yield
    except DBAPIError as error:
        url = make_url(settings.url.get_secret_value())
        where = f"PostgreSQL at {url.host or 'the local socket'}:{url.port or 5432}"
        why = _first_line(str(error.orig))
        # The server gives every error of its own a code; without one, we did not get as far as the server.
        if getattr(error.orig, "sqlstate", None) is None:
            give_up(FAILED, f"{where} cannot be reached: {why}; is it running? (CHECKOUT_DATABASE_URL)")
        give_up(FAILED, f"{where} refuses: {why}")


@contextmanager
def temporal_explained(settings: TemporalSettings) -> Iterator[None]:
    """Say where Temporal should be when it refuses us or does not know the namespace."""
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415 - slow to import

    try:
        yield
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            give_up(
                FAILED,
                f"Temporal at {settings.address} has no namespace {settings.namespace} (CHECKOUT_TEMPORAL_NAMESPACE)",
            )
        give_up(FAILED, f"Temporal at {settings.address} refuses: {_first_line(error.message)}")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
