"""The storefront's routes: start a checkout, look at it, pay in another way, cancel it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request, Response

from api.admission.gate import Gate
from api.http.auth import Keyring
from api.http.bodies import parse_object, read_bytes, read_json_object, refuse_other_media_types
from api.http.headers import none_match, preferred_wait_seconds
from api.http.idempotency import Ownership, derive_checkout_id, derive_press, fingerprint, read_idempotency_key
from api.http.responses import Rendered, answer, location, render
from api.metrics import Metrics
from api.openapi.operations import cancel_page, create_page, get_page, payment_page
from api.storefront.schemas import CancelBody, CheckoutBody, PaymentBody, validate
from api.storefront.service import CheckoutService
from api.temporal.snapshots import Snapshot
from api.temporal.waiting import SETTLED, Until
from checkout.config.settings import ApiSettings

_SCOPE: Final = "storefront"


class CheckoutRoutes:
    """The handlers, with what they need. ``closing`` is set when the process is about to end: nobody waits then."""

    def __init__(
        self, settings: ApiSettings, desk: CheckoutService, gate: Gate, metrics: Metrics, closing: asyncio.Event
    ) -> None:
        self._keys = Keyring(settings.api_keys)
        self._id_secret = settings.id_secret.get_secret_value().encode()
        self._patience = settings.timeouts
        self._desk = desk
        self._gate = gate
        self._metrics = metrics
        self._closing = closing

    def router(self) -> APIRouter:
        """The routes of the storefront."""
        router = APIRouter()
        router.add_api_route("/v1/checkouts", self.create, methods=["POST"], **create_page())
        router.add_api_route("/v1/checkouts/{id}", self.get, methods=["GET"], **get_page())
        router.add_api_route("/v1/checkouts/{id}/payment", self.pay, methods=["POST"], **payment_page())
        router.add_api_route("/v1/checkouts/{id}/cancel", self.cancel, methods=["POST"], **cancel_page())
        return router

    async def create(self, request: Request) -> Response:
        """Start a checkout, or find the one that the same key started."""
        caller = self._keys.admit(request, _SCOPE)
        checkout_id = derive_checkout_id(self._id_secret, caller.name, read_idempotency_key(request))
        self._gate.knock(caller.name, checkout_id)
        body = validate(CheckoutBody, await read_json_object(request))
        checkout = body.to_request(checkout_id, _now(), self._patience)

        admitted = await self._gate.enter(checkout, Ownership(caller.name, fingerprint(checkout)))
        accepted = admitted.accepted
        (self._metrics.replayed if accepted.is_replay else self._metrics.started).inc()

        headers = {"Location": location(checkout_id)}
        if accepted.is_replay:
            headers["Idempotent-Replayed"] = "true"
        return await self._answer_when_settled(request, accepted.snapshot, headers, admitted.rest)

    async def get(self, request: Request) -> Response:
        """Look at a checkout, now or as soon as it has moved on."""
        caller = self._keys.admit(request, _SCOPE)
        rendered = render(await self._desk.look_up(request.path_params["id"], caller.name))
        wait_seconds = preferred_wait_seconds(request.headers.getlist("prefer"))
        conditions = request.headers.getlist("if-none-match")
        headers: dict[str, str] = {}
        if wait_seconds is not None:
            rendered = await self._look_until(request, rendered, conditions, wait_seconds)
            if _has_moved_on(rendered, conditions):
                headers["Preference-Applied"] = f"wait={wait_seconds}"
        return answer(rendered, 200 if none_match(conditions, rendered.tag) else 304, headers)

    async def pay(self, request: Request) -> Response:
        """The customer pays in another way, after a decline or instead of authenticating."""
        caller = self._keys.admit(request, _SCOPE)
        body = validate(PaymentBody, await read_json_object(request))
        checkout_id = request.path_params["id"]
        press = derive_press("payment", caller.name, request)
        snapshot = await self._desk.submit_payment(checkout_id, caller.name, body.payment_method, press)
        return await self._answer_when_settled(request, snapshot, {"Location": location(checkout_id)})

    async def cancel(self, request: Request) -> Response:
        """Have a checkout undone."""
        caller = self._keys.admit(request, _SCOPE)
        raw = await read_bytes(request)
        if raw:
            refuse_other_media_types(request)
            validate(CancelBody, parse_object(raw))
        checkout_id = request.path_params["id"]
        snapshot = await self._desk.cancel(checkout_id, caller.name)
        return answer(render(snapshot), 202, {"Location": location(checkout_id)})

    async def _answer_when_settled(
        self,
        request: Request,
        snapshot: Snapshot,
        headers: dict[str, str],
        rest: asyncio.Task[Snapshot] | None = None,
    ) -> Response:
        """202 at once, or, if the client prefers to wait, 200 as soon as the checkout has settled.

        ``rest`` is being waited for already, and will have a later snapshot.
        """
        wait_seconds = preferred_wait_seconds(request.headers.getlist("prefer"))
        if wait_seconds is None:
            return answer(render(snapshot), 202, headers)
        time_is_up = time.monotonic() + wait_seconds
        if rest:
            snapshot = await self._rested(request, rest, snapshot, wait_seconds)
        snapshot = await self._wait(request, SETTLED, snapshot, max(0.0, time_is_up - time.monotonic()))
        if not SETTLED.enough(snapshot):
            return answer(render(snapshot), 202, headers)
        return answer(render(snapshot), 200, headers | {"Preference-Applied": f"wait={wait_seconds}"})

    async def _look_until(
        self, request: Request, rendered: Rendered, conditions: list[str], wait_seconds: int
    ) -> Rendered:
        """Wait for another view than the client has, or, when it named none, for a settled one."""
        until = Until(lambda snapshot: none_match(conditions, render(snapshot).tag)) if conditions else SETTLED
        return render(await self._wait(request, until, rendered.snapshot, wait_seconds))

    async def _wait(self, request: Request, until: Until, latest: Snapshot, seconds: float) -> Snapshot:
        # Nothing is waited for that can no longer come.
        if seconds == 0 or until.enough(latest) or (latest.view.status.is_final and not latest.is_stale):
            return latest
        return await self._desk.wait(until, latest, seconds, self._nobody_waits(request))

    async def _rested(
        self, request: Request, rest: asyncio.Task[Snapshot], latest: Snapshot, seconds: float
    ) -> Snapshot:
        """What the gate sees when the checkout comes to rest: it watches anyway, so one long poll is enough."""
        hang_up = asyncio.create_task(self._nobody_waits(request))
        try:
            await asyncio.wait({rest, hang_up}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hang_up.cancel()
        return rest.result() if rest.done() else latest

    async def _nobody_waits(self, request: Request) -> None:
        """Return when the client is gone, or this process is about to be."""
        watches = [asyncio.create_task(_disconnected(request)), asyncio.create_task(self._is_closing())]
        try:
            await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for watch in watches:
                watch.cancel()

    async def _is_closing(self) -> None:
        await self._closing.wait()


def _has_moved_on(rendered: Rendered, conditions: list[str]) -> bool:
    if conditions:
        return none_match(conditions, rendered.tag)
    return SETTLED.enough(rendered.snapshot)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
