"""What the provider does by itself: charges land when their time comes, and events are delivered."""

import asyncio
import contextlib
import logging
import signal
import time

from checkout_lab.sandbox.events.webhooks import WebhookSender
from checkout_lab.sandbox.faults import Faults
from checkout_lab.sandbox.ledger.ledger import SandboxLedger
from checkout_lab.sandbox.objects.settling import settle
from checkout_lab.sandbox.settings import SandboxSettings

_log = logging.getLogger(__name__)

_NOTHING_DUE_SECONDS = 60.0


class Background:
    """The provider's own tasks. They sleep until something is due or somebody wakes them."""

    def __init__(self, ledger: SandboxLedger, faults: Faults, settings: SandboxSettings) -> None:
        self._ledger = ledger
        self._faults = faults
        self._settings = settings
        self._sleepers: set[asyncio.Event] = set()

    def start(self) -> list[asyncio.Task[None]]:
        """Start the tasks; the caller cancels them."""
        tasks = [asyncio.create_task(self._settle_for_ever())]
        url, secret = self._settings.webhook_url, self._settings.webhook_secret
        if url and secret:
            sender = WebhookSender(self._ledger, self._faults, url, secret.get_secret_value())
            tasks.append(asyncio.create_task(sender.run(self.wait)))
        for task in tasks:
            task.add_done_callback(_report)
        return tasks

    def wake(self) -> None:
        """Something was written, so something may be due earlier than was thought."""
        if not self._ledger.delivers_events and self._ledger.next_due() is None:
            return
        for sleeper in self._sleepers:
            sleeper.set()

    async def wait(self, seconds: float) -> None:
        """Sleep for so many seconds, or until `wake`."""
        sleeper = asyncio.Event()
        self._sleepers.add(sleeper)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sleeper.wait(), seconds)
        finally:
            self._sleepers.discard(sleeper)

    async def _settle_for_ever(self) -> None:
        while True:
            due = self._ledger.next_due()
            await self.wait(_NOTHING_DUE_SECONDS if due is None else max(0, due - time.time()))
            if due is not None and due <= time.time():
                with self._ledger.transaction():
                    settle(self._ledger, time.time())
                # Charges that landed have left events in the outbox.
                self.wake()


def _report(task: asyncio.Task[None]) -> None:
    """A task that ends by itself has failed, and a provider without it would only seem to work: so it stops."""
    if not task.cancelled():
        _log.critical("the sandbox provider stops, for one of its tasks has failed", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)
