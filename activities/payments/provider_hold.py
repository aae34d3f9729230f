"""While the provider takes no payments from this shop's account: checkouts wait, and one workflow asks for all."""

import asyncio
import contextlib
from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import with_heartbeat
from activities.payments.attempts import Attempts
from activities.payments.charge import PaymentActivities
from activities.payments.provider_account import ProviderAccount
from checkout.db import provider
from checkout.db.session import Database
from checkout.domain.errors import OutcomeUnknown, ProviderUnavailable, TooLate
from checkout.domain.messages import HoldRequest, PaymentInQuestion, Probe
from checkout.payments.gateway import PaymentGateway
from checkout.temporal.names import HOLD_WORKFLOW, HOLD_WORKFLOW_ID, RELEASED_SIGNAL, TASK_QUEUE

_SUMMARY: Final = "Payments are held: no checkout can be charged until a person has put this right"
_TOLD_AT_ONCE: Final = 20


class ProviderHoldActivities:
    """`wait_for_provider`, for each checkout that waits; `probe_provider` and `tell_waiting`, for the one workflow."""

    def __init__(self, database: Database, gateway: PaymentGateway, client: Client) -> None:
        self._client = client
        self._database = database
        self._attempts = Attempts(database, gateway)
        self._account = ProviderAccount(database, gateway)
        self._payments = PaymentActivities(database, gateway)

    @activity.defn
    async def wait_for_provider(self, _: PaymentInQuestion) -> bool:
        """Make sure that the workflow runs which asks for all that wait; False when payments are taken again already.

        Called once the tables say that the checkout waits. So either the checkout is among those that are told of the
        end of the hold, or the hold is over and this sees it.

        Raises:
            temporalio.service.RPCError: Temporal cannot be reached; the next retry asks again.
        """
        held = await self._account.held()
        if held is None:
            return False
        with contextlib.suppress(WorkflowAlreadyStartedError):  # As for every checkout but the first.
            await self._client.start_workflow(
                HOLD_WORKFLOW, held, id=HOLD_WORKFLOW_ID, task_queue=TASK_QUEUE, static_summary=_SUMMARY
            )
        return True

    @activity.defn
    async def probe_provider(self, _: HoldRequest) -> Probe:
        """Find out whether the provider takes payments again, by charging any one of those that wait. When none waits,
        payments count as taken again, and the next checkout finds out.
        """
        return await with_heartbeat(self._probe())

    async def _probe(self) -> Probe:
        one = await provider.one_waiting(self._database)
        waiting = one.waiting if one else 0
        try:
            await self._account.check(anew=True)
            if one and await self._is_refused(one.checkout_id, one.attempt):
                return Probe(is_released=False, waiting=waiting)
        except (ProviderUnavailable, OutcomeUnknown) as error:
            activity.logger.info("payments are still held: %s", error)
            return Probe(is_released=False, waiting=waiting)
        await self._account.release()
        return Probe(is_released=True, waiting=waiting)

    async def _is_refused(self, checkout_id: str, number: int) -> bool:
        try:
            record = await self._attempts.read(checkout_id, number)
            if not record.checkout_is_open or not record.is_open:
                return True  # It has ended meanwhile, which says nothing of the provider.
            return (await self._payments.ask(record.attempt)).held is not None
        except TooLate:
            return True

    @activity.defn
    async def tell_waiting(self, _: HoldRequest) -> int:
        """Tell every checkout that waits to go on; returns how many there were."""
        return await with_heartbeat(self._tell_waiting())

    async def _tell_waiting(self) -> int:
        told, after = 0, ""
        while page := await provider.waiting(self._database, after):
            for first in range(0, len(page), _TOLD_AT_ONCE):
                await asyncio.gather(*(self._tell(checkout_id) for checkout_id in page[first : first + _TOLD_AT_ONCE]))
            told, after = told + len(page), page[-1]
        return told

    async def _tell(self, checkout_id: str) -> None:
        try:
            await self._client.get_workflow_handle(checkout_id).signal(RELEASED_SIGNAL)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # It has ended, and waits for nothing any more.
                raise
