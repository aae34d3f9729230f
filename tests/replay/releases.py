"""Two releases of the worker as processes of their own, and the `temporal` program that an operator moves them with."""

import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentVersionRequest
from temporalio.service import RPCError, RPCStatusCode

from checkout_lab.stack.processes.ports import HOST, claim_free_port
from checkout_lab.stack.processes.process import Child, Program, listens, python_path, running
from tests.replay.recording import Recording
from tests.support.sandbox_server import API_KEY, RETURN_URL
from tests.support.servers import say
from tests.support.shop import Handle

DEPLOYMENT = "checkout"
TODAY = "worker"
OTHER = "tests.replay.other_release"
_POLLED = {TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY}


@asynccontextmanager
async def release(recording: Recording, module: str, build_id: str | None) -> AsyncIterator[Child]:
    """A worker that polls; unversioned without a ``build_id``."""
    with claim_free_port() as claim:
        program = Program(
            role=f"worker-{build_id or 'unversioned'}",
            command=(sys.executable, "-m", module),
            port=claim.port,
            # It listens there once Temporal has let it in.
            is_ready=lambda: listens(claim.port),
            environment={**os.environ, **_settings(recording, claim.port, build_id)},
            stop_timeout_seconds=35,
        )
        async with running(program, say) as child:
            yield child


def _settings(recording: Recording, port: int, build_id: str | None) -> dict[str, str]:
    settings = {
        "CHECKOUT_TEMPORAL_ADDRESS": recording.temporal.address,
        "CHECKOUT_TEMPORAL_NAMESPACE": recording.temporal.namespace,
        "CHECKOUT_DATABASE_URL": recording.postgres.server.url("checkout"),
        "CHECKOUT_STRIPE_API_KEY": API_KEY,
        "CHECKOUT_STRIPE_API_BASE": recording.sandbox.url,
        "CHECKOUT_PAYMENT_RETURN_URL": RETURN_URL,
        "CHECKOUT_PROVIDER_TIMEOUT_SECONDS": "2",
        "CHECKOUT_WORKER_HOST": HOST,
        "CHECKOUT_WORKER_PORT": str(port),
    }
    version = {"CHECKOUT_WORKER_DEPLOYMENT_NAME": DEPLOYMENT, "CHECKOUT_WORKER_BUILD_ID": build_id}
    return settings | {name: value for name, value in version.items() if value and build_id}


async def temporal(recording: Recording, command: str) -> str:
    """Run ``temporal COMMAND`` as the documents have it; returns what it prints.

    Raises:
        AssertionError: it failed.
    """
    where = ("--address", recording.temporal.address, "--namespace", recording.temporal.namespace)
    process = await asyncio.create_subprocess_exec(
        *(str(python_path("temporal")), *shlex.split(command), *where),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def make_current(recording: Recording, build_id: str) -> None:
    """What starts from now on starts on this release, once Temporal knows all that its workers poll.

    Its workers poll for workflow tasks and for activities, and Temporal notes each some time after the first poll;
    until it has both, it refuses to make the version current.
    """
    async with asyncio.timeout(30):
        while await _polled(recording, build_id) != _POLLED:
            await asyncio.sleep(0.05)
    await temporal(
        recording,
        f"worker deployment set-current-version --deployment-name {DEPLOYMENT} --build-id {build_id} --yes",
    )


async def _polled(recording: Recording, build_id: str) -> set[int]:
    """The kinds of task queue that Temporal knows this release's workers to poll."""
    request = DescribeWorkerDeploymentVersionRequest(
        namespace=recording.temporal.namespace,
        deployment_version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
    )
    try:
        described = await recording.client.workflow_service.describe_worker_deployment_version(request)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return set()
        raise
    return {queue.type for queue in described.worker_deployment_version_info.task_queue_infos}


async def build_of(handle: Handle) -> str:
    """The build that worked on the checkout last; empty for unversioned workers."""
    info = (await handle.describe()).raw_description.workflow_execution_info.versioning_info
    return str(info.deployment_version.build_id)
