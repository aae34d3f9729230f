"""Tells an orchestrator whether a worker lives (``/healthz``) and can work (``/readyz``)."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from temporalio.client import Client
from temporalio.service import RPCError

from checkout.db.session import Database
from checkout.domain.errors import ConfigurationError, DatabaseUnavailable

_TIMEOUT = timedelta(seconds=2)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the worker, which stops this server when it has finished."""
        yield


class Health:
    """Serves while it is entered: ``async with Health(...)``.

    Raises:
        ConfigurationError: the port is in use.
    """

    def __init__(self, host: str, port: int, client: Client, database: Database) -> None:
        self._client = client
        self._database = database
        self._socket = _bind(host, port)
        app = Starlette(routes=[Route("/healthz", self._alive), Route("/readyz", self._ready)])
        self._server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        await self._task

    async def _alive(self, _: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> JSONResponse:
        faults = {}
        try:
            await self._client.service_client.check_health(timeout=_TIMEOUT)
        except RPCError as error:
            faults["temporal"] = str(error)
        try:
            await self._database.ping()
        except DatabaseUnavailable as error:
            faults["database"] = str(error)
        if faults:
            return JSONResponse({"status": "unavailable", "faults": faults}, status_code=503)
        return JSONResponse({"status": "ok"})


def _bind(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ConfigurationError(
            f"port {port} on {host} cannot be had ({error.strerror}): set CHECKOUT_WORKER_PORT to a free one"
        ) from None
