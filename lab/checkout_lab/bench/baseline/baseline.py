"""The baseline: what Temporal alone costs. A workflow of four empty activities, as anybody would write their first.

This module is loaded into the SDK's sandbox for every run, as workflows are by default, so it imports nothing else.
"""

from datetime import timedelta

from temporalio import activity, workflow

BASELINE_QUEUE = "bench-baseline"
ACTIVITIES = 4


@activity.defn
async def do_nothing() -> None:
    """Return at once."""


@workflow.defn
class BaselineWorkflow:
    """As many steps as a checkout has, and nothing in them."""

    @workflow.run
    async def run(self) -> None:
        """Call the activity four times, one after the other."""
        for _ in range(ACTIVITIES):
            await workflow.execute_activity(do_nothing, start_to_close_timeout=timedelta(seconds=10))
