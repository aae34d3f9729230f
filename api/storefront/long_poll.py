"""Holding a response, as `Prefer: wait=N` asks (RFC 7240), until the checkout has settled or its view has changed."""

import asyncio
import time

from fastapi import Request, Response

from api.storefront.conditional import none_match
from api.storefront.responses import Rendered, render, respond
from api.storefront.service import CheckoutService
from api.temporal.snapshots import Snapshot
from api.temporal.waiting import SETTLED, Until


class LongPoll:
    """Waits on behalf of clients, until they hang up. Once ``closing`` is set, because the process ends, nobody waits.

    Each method takes ``wait_seconds``: what the client prefers; None: it does not wait.
    """

    def __init__(self, service: CheckoutService, closing: asyncio.Event) -> None:
        self._service = service
        self._closing = closing

    async def until_settled(
        self,
        request: Request,
        snapshot: Snapshot,
        headers: dict[str, str],
        wait_seconds: int | None,
        rest: asyncio.Task[Snapshot] | None = None,
    ) -> Response:
        """202 at once, or, if the client prefers to wait, 200 as soon as the checkout has settled.

        ``rest``: a task that waits for the same already, and will return a later snapshot.
        """
        if wait_seconds is None:
            return respond(render(snapshot), 202, headers)
        deadline = time.monotonic() + wait_seconds
        if rest:
            snapshot = await self._rested(request, rest, snapshot, wait_seconds)
        snapshot = await self._wait(request, SETTLED, snapshot, max(0.0, deadline - time.monotonic()))
        if not SETTLED.enough(snapshot):
            return respond(render(snapshot), 202, headers)
        return respond(render(snapshot), 200, headers | {"Preference-Applied": f"wait={wait_seconds}"})

    async def until_changed(
        self, request: Request, snapshot: Snapshot, known_tags: list[str], wait_seconds: int | None
    ) -> Response:
        """The view, as soon as it is another than the client knows, or settled if the client knows none; else 304.

        ``known_tags``: the values of `If-None-Match`.
        """
        rendered = render(snapshot)
        headers: dict[str, str] = {}
        if wait_seconds is not None:
            until = _another_than(known_tags) if known_tags else SETTLED
            rendered = render(await self._wait(request, until, snapshot, wait_seconds))
            if _has_moved_on(rendered, known_tags):
                headers["Preference-Applied"] = f"wait={wait_seconds}"
        return respond(rendered, 200 if none_match(known_tags, rendered.tag) else 304, headers)

    async def _wait(self, request: Request, until: Until, latest: Snapshot, seconds: float) -> Snapshot:
        # Nothing is waited for that can no longer come.
        if seconds == 0 or until.enough(latest) or (latest.view.status.is_final and not latest.is_stale):
            return latest
        return await self._service.wait(until, latest, seconds, self._hang_up(request))

    async def _rested(
        self, request: Request, rest: asyncio.Task[Snapshot], latest: Snapshot, seconds: float
    ) -> Snapshot:
        """What the gate sees when the checkout comes to rest: it watches anyway, so one long poll is enough."""
        hang_up = asyncio.create_task(self._hang_up(request))
        try:
            await asyncio.wait({rest, hang_up}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hang_up.cancel()
        return rest.result() if rest.done() else latest

    async def _hang_up(self, request: Request) -> None:
        """Return when the client has disconnected, or this process is about to end."""
        watches = [asyncio.create_task(_disconnected(request)), asyncio.create_task(self._is_closing())]
        try:
            await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for watch in watches:
                watch.cancel()

    async def _is_closing(self) -> None:
        await self._closing.wait()


def _another_than(known_tags: list[str]) -> Until:
    return Until(lambda snapshot: none_match(known_tags, render(snapshot).tag))


def _has_moved_on(rendered: Rendered, known_tags: list[str]) -> bool:
    return none_match(known_tags, rendered.tag) if known_tags else SETTLED.enough(rendered.snapshot)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
