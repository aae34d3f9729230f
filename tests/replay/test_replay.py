"""Every recorded history fits today's code, every kind of ending has one, and a change that does not fit is caught."""

import re
from collections.abc import AsyncIterator, Callable

import pytest
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from checkout.config.settings import DatabaseSettings, WorkerSettings
from checkout.db.session import Database, create_engine
from checkout.domain.states import CheckoutStatus, Reason
from checkout.temporal.client import connect
from checkout_lab.stack.servers.temporal import DevTemporal
from tests.replay.changed import NO_CHANGE, ONE_MORE_TIMER, ONE_STEP_DROPPED, TWO_STEPS_SWAPPED, Change
from tests.replay.histories import CHECKOUT, RecordedHistory, names, names_of_releases, read
from tests.support.project_facts import handlers, workflow_types
from tests.support.scripted_gateway import ScriptedGateway
from worker import build_worker
from workflows.payment_events import _SENTENCES, PaymentEventsWorkflow
from workflows.reconcile import ReconcileWorkflow

REMEDY = "play it in tests/replay/scenarios.py, and run `python -m tests.replay.record`"
HISTORIES = [read(name) for name in names()]
KEPT = [read(name) for name in names_of_releases()]
CHECKOUTS = [one for one in HISTORIES if one.workflow_type == CHECKOUT]

each_history = pytest.mark.parametrize("recorded", [*HISTORIES, *KEPT], ids=lambda recorded: recorded.name)

Replaying = Callable[..., Replayer]


@pytest.fixture(scope="module")
async def replaying(temporal_server: DevTemporal) -> AsyncIterator[Replaying]:
    """Makes replayers with the workflows of the worker, run as the worker runs them."""
    engine = create_engine(DatabaseSettings.model_validate({"url": "postgresql://nobody@127.0.0.1/never_asked"}))
    client = await connect(temporal_server.settings)
    config = build_worker(client, Database(engine), ScriptedGateway(), WorkerSettings()).config()

    def make(*changes: Change) -> Replayer:
        return Replayer(
            workflows=config["workflows"],
            workflow_runner=config["workflow_runner"],
            unsandboxed_workflow_runner=config["unsandboxed_workflow_runner"],
            workflow_failure_exception_types=config["workflow_failure_exception_types"],
            interceptors=changes,
        )

    yield make
    await engine.dispose()


@each_history
async def test_a_recorded_history_fits_todays_code(replaying: Replaying, recorded: RecordedHistory) -> None:
    try:
        await replaying().replay_workflow(recorded.history)
    except NondeterminismError as error:
        pytest.fail(f"{error}\nOpen workflows would stop here: see docs/guides/upgrade.md")


@pytest.mark.parametrize("change", [TWO_STEPS_SWAPPED, ONE_STEP_DROPPED, ONE_MORE_TIMER], ids=lambda c: c.name)
@pytest.mark.parametrize("name", ["confirmed", "declined_then_paid_in_another_way"])
async def test_a_changed_command_fails_the_replay(replaying: Replaying, change: Change, name: str) -> None:
    with pytest.raises(NondeterminismError) as caught:
        await replaying(change).replay_workflow(read(name).history)
    # It says where the history goes another way: at which event, or in which step.
    assert re.search(
        r"Nondeterminism error: .*(HistoryEvent\(id: \d+|LocalActivity\(\d+\)|confirm_order)", str(caught.value)
    )


async def test_an_interceptor_without_a_change_passes_the_replay(replaying: Replaying) -> None:
    await replaying(NO_CHANGE).replay_workflow(read("confirmed").history)


async def test_a_dropped_step_fits_histories_that_never_reach_it(replaying: Replaying) -> None:
    """A rejected checkout never comes to the last step, so it fits a workflow without one."""
    await replaying(ONE_STEP_DROPPED).replay_workflow(read("rejected_out_of_stock").history)


def test_every_ending_has_a_history() -> None:
    """A reason that is new, or a state that can end a checkout, needs one."""
    possible = {(CheckoutStatus.CONFIRMED, None)} | {(reason.ending, reason) for reason in Reason if not reason.is_hold}
    recorded = {one.ending() for one in CHECKOUTS if not (one.is_open or one.is_continued)}

    assert recorded == possible, REMEDY
    assert {status for status, _ in possible} == {status for status in CheckoutStatus if status.is_final}


def test_a_checkout_continued_as_new_has_the_histories_of_both_runs() -> None:
    started = [one.history.events[0].workflow_execution_started_event_attributes for one in CHECKOUTS]

    assert any(one.is_continued for one in CHECKOUTS), REMEDY
    assert any(attributes.continued_execution_run_id for attributes in started), REMEDY


def test_every_state_that_lasts_has_the_history_of_a_checkout_in_it() -> None:
    """An upgrade meets these."""
    assert {one.status() for one in CHECKOUTS if one.is_open} == {s for s in CheckoutStatus if not s.is_final}, REMEDY


def test_every_workflow_has_a_history_of_each_of_its_outcomes() -> None:
    told = [one.result() for one in HISTORIES if one.workflow_type == PaymentEventsWorkflow.__name__]
    found = [one.result()["found"] > 0 for one in HISTORIES if one.workflow_type == ReconcileWorkflow.__name__]

    assert {outcome for outcomes in told for outcome in outcomes.values()} == set(_SENTENCES), REMEDY
    assert any(len(outcomes) > 1 for outcomes in told), REMEDY
    assert set(found) == {True, False}, REMEDY
    assert {one.workflow_type for one in HISTORIES} == workflow_types(), REMEDY


def test_every_update_and_signal_is_in_a_history() -> None:
    sent = {name for one in CHECKOUTS for name in one.messages()}

    assert handlers() - {"status", "timeline", "progress"} == sent, REMEDY


@each_history
def test_a_history_tells_nothing_of_the_machine_and_holds_no_secret(recorded: RecordedHistory) -> None:
    secret = re.compile(
        r"stackTrace|\.py\b|/home/|/root/|/tmp/|\b\d+@|(sk|rk)_(test|live)|whsec_|postgres(ql)?://|\b\d{15,19}\b"
    )

    assert secret.findall(recorded.text()) == []
