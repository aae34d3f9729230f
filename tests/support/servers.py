"""Temporal servers and namespaces of a test's own, and where the output of every server goes."""

import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from checkout.config.settings import TemporalSettings
from checkout.temporal.client import connect
from checkout_lab.stack.processes.ports import claim_free_port
from checkout_lab.stack.processes.process import running
from checkout_lab.stack.servers.temporal import DevTemporal


def say(role: str, line: str) -> None:
    """A server's output, which pytest shows for a test that fails."""
    print(f"{role:>8} | {line}", file=sys.stderr)  # noqa: T201


@asynccontextmanager
async def temporal_with(*dynamic_config: str) -> AsyncIterator[DevTemporal]:
    """A server of its own, in memory, with these limits (``name=value``)."""
    with claim_free_port() as claim:
        server = DevTemporal(claim.port)
        program = server.program()
        flags = [word for each in dynamic_config for word in ("--dynamic-config-value", each)]
        async with running(replace(program, command=(*program.command, *flags)), say):
            yield server


async def fresh_namespace(server: DevTemporal) -> Client:
    """A client of a fresh namespace that knows no search attributes yet."""
    client = await connect(server.settings)
    settings = TemporalSettings(address=server.address, namespace=f"test-{uuid.uuid4().hex}")
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=settings.namespace, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    return await connect(settings)
