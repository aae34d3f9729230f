"""A hold: the provider takes no payment from the shop's account, so one workflow asks for all checkouts that wait.

There is one such workflow at a time. It ends when payments are taken again and every checkout that waits was told.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import policies
from workflows.activity_runner import ActivityRunner
from workflows.policies import growing_pauses

with workflow.unsafe.imports_passed_through():
    from activities.payments.provider_hold import ProviderHoldActivities
    from checkout.domain.messages import HoldRequest, HoldView, Probe, Timeouts
    from checkout.domain.states import Reason
    from checkout.temporal.names import CHECKOUT_STATUS, HOLD_WORKFLOW

#: Pauses between two probes, in seconds. With the longest, every checkout continues within a minute of the repair.
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 2.0, 1.5, 20.0

_WHAT_TO_DO = {
    Reason.ACCOUNT_CANNOT_CHARGE: (
        "The provider does not let this account charge. Put it right in the provider's dashboard."
    ),
    Reason.PROVIDER_REFUSES_KEY: "The provider refuses CHECKOUT_STRIPE_API_KEY. Give the workers a key that it takes.",
    Reason.OTHER_PROVIDER_ACCOUNT: (
        "CHECKOUT_STRIPE_API_KEY is one of another account or mode. Give the workers the key of the account that has "
        "this shop's payments."
    ),
}


@workflow.defn(name=HOLD_WORKFLOW)
class ProviderHoldWorkflow:
    """Started by the first checkout whose payment is held; the others find it running."""

    @workflow.init
    def __init__(self, request: HoldRequest) -> None:
        self._view = HoldView()
        self._runner = ActivityRunner(Timeouts())

    @workflow.run
    async def run(self, request: HoldRequest) -> HoldView:
        """Probe until payments are taken again, and tell everybody who waits."""
        workflow.upsert_search_attributes([CHECKOUT_STATUS.value_set("provider_hold")])
        self._publish(request)
        pauses_seconds = growing_pauses(_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE)
        while not await self._is_released(request, next(pauses_seconds)):
            self._publish(request)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(request)
        told = await self._runner.run(ProviderHoldActivities.tell_waiting, request, policies.provider_undo)
        self._view = HoldView(0, self._view.probes, told)
        workflow.set_current_details(f"Payments are taken again. {told} checkouts that waited were told.")
        return self._view

    @workflow.query
    def progress(self) -> HoldView:
        """How many wait, and how often the provider was asked."""
        return self._view

    async def _is_released(self, request: HoldRequest, pause_seconds: float) -> bool:
        await workflow.sleep(timedelta(seconds=pause_seconds))
        probe = Probe(is_released=False, waiting=self._view.waiting)
        try:
            probe = await self._runner.run(ProviderHoldActivities.probe_provider, request, policies.one_look)
        except ActivityError:
            workflow.logger.info("the provider could not be asked, and will be again")
        self._view = HoldView(probe.waiting, self._view.probes + 1)
        return probe.is_released

    def _publish(self, request: HoldRequest) -> None:
        workflow.set_current_details(
            f"**No payment can be taken** ({request.reason}). {_WHAT_TO_DO[request.reason]}\n\n"
            f"* {self._view.waiting} checkouts wait; nothing of them is undone, and they go on by themselves.\n"
            f"* The provider was asked {self._view.probes} times; it is asked at least every {_LONGEST_PAUSE:g} s.\n"
            f"* What it said: {request.detail}\n\n"
            "Do not *Terminate* this workflow: the checkouts would continue some minutes later than with it."
        )
