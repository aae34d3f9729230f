"""The gate of the shop: whoever comes with a new checkout is let in, or told at once to come back later.

What was let in is watched until it is at rest: over, or waiting for somebody who is not this shop's machine. So the
gate knows how many are under way and how fast they come to rest, which is what the room is measured by.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus

from api.admission.room import NoRoom, Place, Room, Shortage
from api.http.idempotency import Ownership
from api.http.problems import ARTICLE_IN_DEMAND, OVERLOADED, TOO_MANY_REQUESTS, Problem
from api.metrics import Metrics
from api.storefront.service import Accepted, CheckoutService
from api.temporal.snapshots import Snapshot, known_status
from api.temporal.waiting import Until
from checkout.domain.messages import CheckoutRequest

#: A checkout under way for longer than this is in trouble and no load: it tries again now and then.
LEASE_SECONDS: Final = 60.0
#: So many ids are remembered, so that who was let in is never turned away when asking again.
REMEMBERED: Final = 20_000
#: How often it is logged that checkouts are refused.
_TELL_EVERY_SECONDS: Final = 10.0
#: The problem for each shortage: its kind and its detail.
PROBLEMS: Final = {
    Shortage.FULL: (OVERLOADED, "The shop has as many checkouts in progress as it can finish in time."),
    Shortage.MORE_THAN_A_SHARE: (TOO_MANY_REQUESTS, "This key has more than its share of the open checkouts."),
    Shortage.RUSH: (ARTICLE_IN_DEMAND, "An article of this checkout is wanted faster than it can be sold."),
}
_log = logging.getLogger("checkout.api")


def _is_at_rest(description: WorkflowExecutionDescription) -> bool:
    """Whether nothing of it is under way or about to be: it waits for a time, a person or a provider's event."""
    if description.status != WorkflowExecutionStatus.RUNNING or not known_status(description).is_busy:
        return True
    raw = description.raw_description
    return not raw.pending_activities and not raw.HasField("pending_workflow_task")


AT_REST: Final = Until(enough=lambda _: True, worth_asking=_is_at_rest)


@dataclass(frozen=True)
class Admitted:
    """A checkout that was let in. ``rest`` has its view when it comes to rest; None for one that was let in before."""

    accepted: Accepted
    rest: asyncio.Task[Snapshot] | None


class Gate:
    """Lets checkouts in, up to what the room allows."""

    def __init__(self, room: Room, service: CheckoutService, metrics: Metrics, closing: asyncio.Event) -> None:
        self._room = room
        self._service = service
        self._metrics = metrics
        self._closing = closing
        self._known: OrderedDict[str, None] = OrderedDict()
        self._watches: set[asyncio.Task[Snapshot]] = set()
        self._refused = 0
        self._told_at = -_TELL_EVERY_SECONDS
        metrics.show_room(lambda: room.under_way, lambda: room.limit)

    def knock(self, caller: str, checkout_id: str) -> None:
        """Turn away who would find no room, before their body is read.

        Raises:
            Problem: 503 or 429 when there is no room; never for a checkout that was let in before.
        """
        if checkout_id in self._known:
            return
        try:
            self._room.refuse_if_full(caller)
        except NoRoom as refusal:
            raise self._problem(refusal) from refusal

    async def enter(self, request: CheckoutRequest, ownership: Ownership) -> Admitted:
        """Have the checkout started, or found.

        Raises:
            Problem: 503 when an article is in a rush; and as `CheckoutService.accept`.
        """
        if request.checkout_id not in self._known:
            self._refuse_rush({line.sku for line in request.lines})
        self._remember(request.checkout_id)
        place = self._room.take(ownership.owner)
        try:
            accepted = await self._service.accept(request, ownership)
        except BaseException:
            self._room.leave(place)
            raise
        if accepted.is_replay:
            self._room.leave(place)
            return Admitted(accepted, None)
        return Admitted(accepted, self._watch(place, accepted.snapshot))

    def _refuse_rush(self, articles: set[str]) -> None:
        try:
            self._room.refuse_rush(articles)
        except NoRoom as refusal:
            raise self._problem(refusal) from refusal

    def _watch(self, place: Place, start: Snapshot) -> asyncio.Task[Snapshot]:
        watch = asyncio.create_task(self._until_rest(place, start))
        self._watches.add(watch)
        watch.add_done_callback(self._watched)
        return watch

    def _watched(self, watch: asyncio.Task[Snapshot]) -> None:
        self._watches.discard(watch)
        if not watch.cancelled():
            watch.exception()  # A checkout that has failed: whoever asks for it is told so.

    async def _until_rest(self, place: Place, start: Snapshot) -> Snapshot:
        begun, is_at_rest = time.monotonic(), True
        try:
            latest = await self._service.wait(AT_REST, start, LEASE_SECONDS, self._is_closing())
            # What has not moved in all that time tells how fast the shop is, too; what was cut short does not.
            is_at_rest = latest is not start or time.monotonic() - begun >= LEASE_SECONDS
            return latest
        finally:
            self._room.leave(place, is_at_rest=is_at_rest)

    async def _is_closing(self) -> None:
        await self._closing.wait()

    def _remember(self, checkout_id: str) -> None:
        self._known[checkout_id] = None
        self._known.move_to_end(checkout_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _problem(self, refusal: NoRoom) -> Problem:
        """The problem of a refusal, which is counted, and logged now and then."""
        kind, detail = PROBLEMS[refusal.shortage]
        self._metrics.refused(kind.code)
        self._refused += 1
        if time.monotonic() - self._told_at >= _TELL_EVERY_SECONDS:
            _log.warning(
                "%s: %d refused since the last line like this; %d under way, limit %d",
                *(kind.code, self._refused, self._room.under_way, self._room.limit),
            )
            self._refused, self._told_at = 0, time.monotonic()
        return Problem(kind, detail, headers={"Retry-After": str(refusal.retry_after_seconds)})
