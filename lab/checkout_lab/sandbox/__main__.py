"""``python -m checkout_lab.sandbox``: run the sandbox provider until it is told to stop."""

import contextlib
import logging
import re
import socket
import sqlite3
import sys

import uvicorn

from checkout.config.loading import load
from checkout.domain.errors import ConfigurationError
from checkout_lab.sandbox.app import build
from checkout_lab.sandbox.http.wire import CuttableConnection
from checkout_lab.sandbox.settings import SandboxSettings


def main() -> int:
    """Serve; 2 when it cannot start, with a line that says why."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s sandbox %(levelname)s %(message)s")
    try:
        settings = load(SandboxSettings)
        _require_webhook(settings)
        listener = _listen(settings)
        app = build(settings)
    except ConfigurationError as error:
        return _refuse(str(error))
    except sqlite3.Error as error:
        return _refuse(f"cannot use the ledger {settings.ledger}: {error}")
    config = uvicorn.Config(
        app,
        http=CuttableConnection,
        ws="none",
        log_config=None,
        access_log=False,
        # Longer than any client keeps an idle connection, so that none is closed under a request on its way.
        timeout_keep_alive=75,
        # A request that hangs by design would hold up the end for ever.
        timeout_graceful_shutdown=1,
    )
    print(f"sandbox provider: http://{settings.host}:{settings.port} (ledger {settings.ledger})", flush=True)  # noqa: T201
    # uvicorn repeats a Ctrl-C after it has ended gracefully because of it.
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _require_webhook(settings: SandboxSettings) -> None:
    if settings.webhook_url is None:
        return
    if not settings.webhook_secret:
        raise ConfigurationError("CHECKOUT_SANDBOX_WEBHOOK_SECRET is not set, and events cannot go out unsigned")
    if not re.fullmatch(r"https?://[!-~]+", settings.webhook_url):
        raise ConfigurationError("CHECKOUT_SANDBOX_WEBHOOK_URL is malformed: write it as http://host:port/path")


def _listen(settings: SandboxSettings) -> socket.socket:
    """Take the port first: the ledger of a provider that is running already stays untouched.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"CHECKOUT_SANDBOX_PORT: cannot listen on {settings.host}:{settings.port}: {error.strerror or error}"
        ) from None


def _refuse(why: str) -> int:
    print(f"sandbox provider: {why}", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main())
