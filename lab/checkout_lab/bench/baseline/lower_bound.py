"""The lower bound of a checkout: the same steps run in the same way, with nothing in them.

It is what Temporal and its SDK take of a checkout, however quick the steps are.
"""

from datetime import timedelta

from temporalio import activity, workflow

LOWER_BOUND_QUEUE = "bench-lower-bound"
_TIMEOUT = timedelta(seconds=10)


@activity.defn
async def do_nothing() -> None:
    """Return at once."""


@workflow.defn
class LowerBoundWorkflow:
    """Two local activities, a regular one, a local one: `reserve_stock` to `confirm_order`."""

    @workflow.run
    async def run(self) -> None:
        """Run the steps one after the other."""
        await workflow.execute_local_activity(do_nothing, start_to_close_timeout=_TIMEOUT)
        await workflow.execute_local_activity(do_nothing, start_to_close_timeout=_TIMEOUT)
        await workflow.execute_activity(do_nothing, start_to_close_timeout=_TIMEOUT)
        await workflow.execute_local_activity(do_nothing, start_to_close_timeout=_TIMEOUT)
