"""An upgrade with open checkouts: two releases that do not fit each other run side by side, and none of them notices.

The commands are those of docs/guides/upgrade.md.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowQueryFailedError

from checkout.domain.commands import RetryPayment
from checkout.domain.states import CheckoutStatus
from checkout_lab.stack.processes.process import Child
from tests.replay.recording import Recording, servers
from tests.replay.releases import DEPLOYMENT, OTHER, TODAY, build_of, make_current, release, temporal
from tests.replay.scenarios import AT_THE_BANK, STAFF, VISA, awaiting, stuck
from tests.support.invariants import violations
from tests.support.shop import Handle
from tests.support.waiting import until
from workflows.checkout import CheckoutWorkflow

#: Whether a release is drained is looked at every three minutes, by default.
LOOK_AT_ONCE = (
    *("--dynamic-config-value", 'matching.wv.VersionDrainageStatusVisibilityGracePeriod="1s"'),
    *("--dynamic-config-value", 'matching.wv.VersionDrainageStatusRefreshInterval="1s"'),
)
UNVERSIONED = 'ExecutionStatus = "Running" AND TemporalWorkerDeploymentVersion IS NULL'


@dataclass
class Upgrade:
    """Release 2 is current, release 1 runs beside it; ``open`` are checkouts that began before release 2 came."""

    recording: Recording
    old: Child
    new: Child
    open: dict[str, Handle]

    async def drainage(self, build_id: str) -> str:
        """The line of the release's state, as an operator sees it."""
        told = await temporal(
            self.recording, f"worker deployment describe-version --deployment-name {DEPLOYMENT} --build-id {build_id}"
        )
        return next(line.split()[-1] for line in told.splitlines() if "DrainageStatus" in line)


@pytest.fixture(scope="module")
async def upgrade() -> AsyncIterator[Upgrade]:
    """From unversioned workers to release 1, and from there to release 2, whose workflows are others."""
    async with AsyncExitStack() as stack:
        recording = await stack.enter_async_context(servers(*LOOK_AT_ONCE))
        async with release(recording, TODAY, None):
            handles = {"unversioned": await awaiting(recording, "unversioned")}
            old = await stack.enter_async_context(release(recording, TODAY, "1"))
            await make_current(recording, "1")
            await _pin_the_unversioned(recording)
        names = ("declined", "moved", "at the bank", "stuck")
        began = await asyncio.gather(
            awaiting(recording, "declined"),
            awaiting(recording, "moved"),
            awaiting(recording, "bank", AT_THE_BANK),
            stuck(recording, "stuck"),
        )
        handles |= dict(zip(names, began, strict=True))
        new = await stack.enter_async_context(release(recording, OTHER, "2"))
        await make_current(recording, "2")
        yield Upgrade(recording, old, new, handles)
        assert await violations(recording.engine) == []


async def _pin_the_unversioned(recording: Recording) -> None:
    """Whatever waits on no version would otherwise take the newest at its next task."""
    await temporal(
        recording,
        f"workflow update-options --query '{UNVERSIONED}' --versioning-override-behavior pinned "
        f"--versioning-override-deployment-name {DEPLOYMENT} --versioning-override-build-id 1 --yes",
    )
    handle = recording.client.get_workflow_handle("chk_unversioned")
    await recording.described(
        handle, lambda is_: is_.raw_description.workflow_execution_info.versioning_info.HasField("versioning_override")
    )


async def failed_tasks(handle: Handle) -> int:
    history = await handle.fetch_history()
    return sum(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED for event in history.events)


async def test_a_new_checkout_starts_on_the_new_release(upgrade: Upgrade) -> None:
    handle = await upgrade.recording.checkout("new")

    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    assert (await build_of(handle), await failed_tasks(handle)) == ("2", 0)


@pytest.mark.parametrize("name", ["unversioned", "declined", "at the bank", "stuck"])
async def test_an_open_checkout_ends_on_the_release_it_began_on(upgrade: Upgrade, name: str) -> None:
    handle = upgrade.open.pop(name)
    assert (await handle.query(CheckoutWorkflow.status)).status in ("awaiting_payment", "payment_stuck")
    if name == "at the bank":
        await upgrade.recording.at_the_bank(handle, "approve")
    elif name == "stuck":
        await handle.execute_update(CheckoutWorkflow.retry_payment, RetryPayment(*STAFF, "pm_card_visa"))
    else:
        await handle.execute_update(CheckoutWorkflow.submit_payment, VISA)

    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    assert (await build_of(handle), await failed_tasks(handle)) == ("1", 0)


async def test_a_checkout_moved_to_an_incompatible_release_recovers_when_moved_back(upgrade: Upgrade) -> None:
    handle = upgrade.open.pop("moved")
    options = f"workflow update-options --workflow-id {handle.id} --versioning-override-behavior"
    to_the_new = f"--versioning-override-deployment-name {DEPLOYMENT} --versioning-override-build-id 2"
    await temporal(upgrade.recording, f"{options} pinned {to_the_new}")
    with pytest.raises(WorkflowQueryFailedError, match="Nondeterminism"):
        await handle.query(CheckoutWorkflow.status)
    await temporal(upgrade.recording, f"{options} unspecified")

    await handle.execute_update(CheckoutWorkflow.submit_payment, VISA)
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
    assert (await build_of(handle), await failed_tasks(handle)) == ("1", 0)


async def test_after_a_rollback_a_new_checkout_starts_on_the_old_release(upgrade: Upgrade) -> None:
    on_the_new = await awaiting(upgrade.recording, "before_rollback")
    await make_current(upgrade.recording, "1")
    after = await upgrade.recording.checkout("after_rollback")
    await after.result()
    await make_current(upgrade.recording, "2")
    await on_the_new.execute_update(CheckoutWorkflow.submit_payment, VISA)
    await on_the_new.result()

    assert [await build_of(handle) for handle in (after, on_the_new)] == ["1", "2"]


async def test_a_release_is_drained_when_its_last_checkout_ends(upgrade: Upgrade) -> None:
    last = await awaiting(upgrade.recording, "last_on_2")
    await make_current(upgrade.recording, "1")
    assert await upgrade.drainage("2") == "draining"
    await last.cancel()
    await last.result()
    await until(lambda: upgrade.drainage("2"), lambda state: state == "drained")
    await upgrade.new.stop()

    assert await upgrade.new.exited() == 0
    handle = await upgrade.recording.checkout("after_the_end")
    assert (await handle.result()).status == CheckoutStatus.CONFIRMED
