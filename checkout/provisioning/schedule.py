"""Has Temporal compare the books at regular times."""

from dataclasses import replace
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from checkout.config.settings import ReconcileSettings
from checkout.domain.reconcile import ReconcileRequest
from checkout.temporal.names import RECONCILE_WORKFLOW, TASK_QUEUE

SCHEDULE_ID = "checkout-reconcile"
#: The server's shortest. A comparison that was missed is made up for by the next one.
_CATCH_UP = timedelta(seconds=10)


async def schedule_reconciliation(client: Client, settings: ReconcileSettings) -> None:
    """Create the schedule, or bring it up to date; one that an operator has paused stays paused.

    Raises:
        RPCError: the server cannot be reached, or the namespace does not exist.
    """
    schedule = _schedule(settings)
    try:
        await client.create_schedule(SCHEDULE_ID, schedule)
    except ScheduleAlreadyRunningError:

        def renewed(found: ScheduleUpdateInput) -> ScheduleUpdate:
            # Its state is the operator's: paused, and why.
            return ScheduleUpdate(replace(schedule, state=found.description.schedule.state))

        await client.get_schedule_handle(SCHEDULE_ID).update(renewed)


def _schedule(settings: ReconcileSettings) -> Schedule:
    action = ScheduleActionStartWorkflow(
        RECONCILE_WORKFLOW,
        ReconcileRequest(window_hours=settings.window_hours),
        id="reconcile-scheduled",
        task_queue=TASK_QUEUE,
        static_summary="Do stock, orders and payments agree?",
    )
    every = ScheduleIntervalSpec(every=timedelta(seconds=settings.every_seconds))
    # One at a time: what a slow one has not come to is left to the next.
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP)
    return Schedule(action=action, spec=ScheduleSpec(intervals=[every]), policy=policy)
