"""Cancelling a checkout: by its customer, by support, or by an operator with *Cancel* in the Temporal UI."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow

from workflows.activity_runner import ActivityRunner
from workflows.state.progress import Progress

with workflow.unsafe.imports_passed_through():
    from checkout.domain.commands import Cancel
    from checkout.domain.states import CheckoutStatus


class Cancelled(Exception):
    """The purchase was cancelled in time; whatever was running has come to rest."""

    def __init__(self, command: Cancel) -> None:
        super().__init__(command.reason)
        self.command = command


class Cancellation:
    """Ends the purchase when somebody cancels it before the pivot."""

    def __init__(self, runner: ActivityRunner, progress: Progress) -> None:
        self._runner = runner
        self._progress = progress
        self._purchase: asyncio.Task[None] | None = None
        self._command: Cancel | None = None
        self._is_past_pivot = False

    async def run(self, purchase: Coroutine[Any, Any, None]) -> None:
        """Run the purchase until it ends or is cancelled.

        Raises:
            Cancelled: it was cancelled.
            Exception: what the purchase raises.
        """
        self._purchase = asyncio.create_task(purchase)
        try:
            await self._purchase
        except asyncio.CancelledError:
            if self._command is None:
                raise
            raise Cancelled(self._command) from None

    def pass_pivot(self) -> None:
        """The next step cannot be undone: from here on every cancellation comes too late."""
        self._is_past_pivot = True

    @property
    def is_too_late(self) -> bool:
        """Whether the order is confirmed, or about to be."""
        status = self._progress.status
        confirming = self._is_past_pivot and status == CheckoutStatus.PROCESSING
        return confirming or status == CheckoutStatus.CONFIRMED

    async def request(self, command: Cancel) -> None:
        """Cancel the purchase, unless it is too late; the second to ask changes nothing."""
        await workflow.wait_condition(lambda: self._purchase is not None)
        await self._runner.await_whole_task()
        if self._can_be_cancelled() and self._purchase:
            self._command = command
            self._progress.becomes(CheckoutStatus.COMPENSATING, command.reason)
            self._runner.halt()
            self._purchase.cancel()

    def _can_be_cancelled(self) -> bool:
        under_way = self._purchase is not None and not self._purchase.done()
        return under_way and not self._is_past_pivot and self._progress.status.can_be_cancelled
