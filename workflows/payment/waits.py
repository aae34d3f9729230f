"""The waits of a payment: how long until the next look, what ends a wait early, and where the next run takes it up."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import workflow

from workflows.policies import growing_pauses

with workflow.unsafe.imports_passed_through():
    from checkout.domain.messages import ChargePayment
    from checkout.domain.resume import PaymentPosition


def another_run_is_due() -> bool:
    """Whether Temporal wants this run to end, since its history or the number of its updates nears a limit."""
    return workflow.info().is_continue_as_new_suggested()


class Waits:
    """Knows where the payment stands while it waits. ``position`` is where the run before this one stood, if any."""

    def __init__(self, position: PaymentPosition | None) -> None:
        self._position = position
        self._resumed = position
        self._nudged = False
        #: What ends the present wait before its time; None while something is under way.
        self._wakes: Callable[[], bool] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is under way, and nothing has come that would end the present wait."""
        return self._wakes is not None and not self._wakes()

    @property
    def position(self) -> PaymentPosition:
        """Where the payment stands: there is a position from the first outcome on, and no wait before."""
        assert self._position  # noqa: S101 - see above
        return replace(self._position, looks_at=0) if self._nudged else self._position

    @property
    def resumed(self) -> PaymentPosition | None:
        """Where the run before this one stood, until `take_over`."""
        return self._resumed

    def take_over(self) -> PaymentPosition | None:
        """Where the run before this one stood, for the turn that begins now; None for every later turn."""
        resumed, self._resumed = self._resumed, None
        return resumed

    def nudge(self) -> None:
        """The provider has news: look now."""
        self._nudged = True

    def begin(self, charge: ChargePayment) -> None:
        """The provider has responded to this attempt; what was waited for before is over."""
        self._position = PaymentPosition(charge.attempt, charge.payment_method)

    def open_window(self, seconds: float) -> float:
        """The customer's time begins now; returns when it is over (Unix time)."""
        closes_at = workflow.time() + seconds
        self._stands(closes_at=closes_at)
        return closes_at

    def pauses(self, resumed: PaymentPosition | None, first: float, growth: float, slowest: float) -> Iterator[float]:
        """Pauses in seconds, ever longer; after a run that had begun one, what is left of it, and then longer still."""
        if resumed:
            yield max(0.0, resumed.looks_at - workflow.time())
            first = min(max(first, resumed.pause_seconds * growth), slowest)
        for pause_seconds in growing_pauses(first, growth, slowest):
            self._stands(pause_seconds=pause_seconds)
            yield pause_seconds

    async def pause(self, seconds: float, or_until: Callable[[], bool] = lambda: False) -> None:
        """Wait until the provider has news, or ``or_until`` holds, or the time is up.

        When another run is due, news is left to that one, so that news after news cannot keep it from beginning.
        """
        self._stands(looks_at=workflow.time() + seconds)
        await self.until(lambda: or_until() or (self._nudged and not another_run_is_due()), seconds)
        self._nudged = False

    async def until(self, wakes: Callable[[], bool], seconds: float) -> None:
        """Wait until ``wakes`` holds, or the time is up; meanwhile another run may take over."""
        self._wakes = wakes
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await workflow.wait_condition(wakes, timeout=timedelta(seconds=seconds))
        finally:
            self._wakes = None

    def _stands(self, **seconds: float) -> None:
        # To the millisecond: all the digits of a float look like the number of a card.
        rounded: dict[str, Any] = {name: round(value, 3) for name, value in seconds.items()}
        self._position = replace(self.position, **rounded)
