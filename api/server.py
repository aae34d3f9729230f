"""The API's process: one uvicorn server on one port, until SIGINT or SIGTERM."""

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from checkout.config.settings import ApiSettings, TemporalSettings
from checkout.domain.errors import ConfigurationError
from checkout.temporal.client import connect

#: How long requests may finish after a signal; no call to Temporal is longer.
GRACE_SECONDS: Final = 20


async def serve(api: ApiSettings, temporal: TemporalSettings) -> None:
    """Run the API until SIGINT or SIGTERM. It starts without Temporal too, and responds 503 until it is reachable.

    Raises:
        ConfigurationError: the port is in use, or the host is not one of this machine.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    listener = listen(api.api_host, api.api_port)
    with listener:
        closing = asyncio.Event()
        app = create_app(api, await connect(temporal, lazy=True), closing)
        await ApiServer(app, closing).serve([listener])


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, opened before anything else, so that a port in use is one clear line.

    Raises:
        ConfigurationError: the port is in use, or the host is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}: {error.strerror}; set CHECKOUT_API_HOST") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigurationError(_cannot_bind(host, port, error)) from error
    return listener


class ApiServer(uvicorn.Server):
    """Uvicorn, which first ends long polls when it shuts down."""

    def __init__(self, app: FastAPI, closing: asyncio.Event) -> None:
        super().__init__(_configuration(app))
        self._closing = closing

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the ordinary way to stop this process, so they are not raised again afterwards."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the long polls, then let every request finish."""
        self._closing.set()
        await super().shutdown(sockets)


def _configuration(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        # The standard library's logging is set up above; metrics tell more than a line per request.
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        # Longer than clients and load balancers keep an idle connection (60 s or less): so they close it first, and no
        # request is lost because the server closes the connection at the same moment.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _cannot_bind(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; set CHECKOUT_API_PORT"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} needs privileges; set CHECKOUT_API_PORT to one above 1023"
    return f"cannot listen on {host}, port {port}: {error.strerror}; set CHECKOUT_API_HOST and CHECKOUT_API_PORT"
