"""One shopper: asks, follows, pays again, authenticates, cancels, as the scenario says; remembers what it was told."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from checkout_lab.chaos.checker.promise_checks import Promise
from checkout_lab.chaos.checker.states import ENDED, WAITING_FOR_A_PERSON
from checkout_lab.chaos.load.http import CheckoutFailed, Clients
from checkout_lab.chaos.load.scenarios import BY_DESIGN_SECONDS, Scenario, draw_next_method

_CHECKOUTS: Final = "/v1/checkouts"
_TAKEN: Final = frozenset({200, 202})
_TAKEN_OR_TOO_LATE: Final = frozenset({200, 202, 409})
_LOOK_SECONDS: Final = 8
_MOST_TRIES: Final = 4
#: The part of the looks at which a shopper does nothing about a stuck payment that says what it waits for.
_LETS_IT_BE: Final = 0.8

#: What a checkout has come to that was terminated before anything of it had happened: the tables do not know it.
TERMINATED: Final = "terminated"

View = Mapping[str, Any]


@dataclass
class Session:
    """What became of a scenario. Times are those of `time.monotonic`, in seconds.

    ``rested_at`` is when it was last seen to have ended or to wait for a person, ``is_resting`` whether it still does;
    ``due_at`` is when it may be expected to, by what the payment method itself takes.
    """

    scenario: Scenario
    promise: Promise
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    accepted_at: float | None = None
    rested_at: float | None = None
    is_resting: bool = False
    due_at: float = 0.0
    status: str | None = None

    @property
    def checkout_id(self) -> str:
        """The id that was returned first; empty before any response."""
        return min(self.promise.ids, default="")

    @property
    def is_over(self) -> bool:
        """Whether it has ended, as far as was seen: by itself, or terminated by somebody before its first step."""
        return self.status in ENDED or self.status == TERMINATED

    def sees(self, status: str) -> None:
        """Note the status that was seen now."""
        self.status = status
        self.is_resting = self.is_over or status in WAITING_FOR_A_PERSON
        if self.is_resting:
            self.rested_at = time.monotonic()

    def acts(self, method: str) -> None:
        """Note that the shop has to work on a payment now, which takes as long as the method does."""
        self.due_at = max(self.due_at, time.monotonic() + BY_DESIGN_SECONDS.get(method, 0.0))


class Shopper:
    """Runs one scenario to its end. ``call_support`` is what to do when the payment is stuck."""

    def __init__(
        self, session: Session, clients: Clients, rng: random.Random, call_support: Callable[[Session], Awaitable[None]]
    ) -> None:
        self._session = session
        self._clients = clients
        self._rng = rng
        self._call_support = call_support
        self._tag: str | None = None
        self._seen_pages: set[str] = set()
        self._payments = 0

    async def run(self) -> None:
        """Shop until it is over, or until nothing works on it any more."""
        with suppress(CheckoutFailed):
            view = await self.submit()
            canceller = asyncio.create_task(self._change_of_mind())
            try:
                while view["status"] not in ENDED:
                    await self._act(view)
                    view = await self._look()
            finally:
                canceller.cancel()
                await asyncio.wait([canceller])
            return
        self._session.promise.broken = True
        self._session.is_resting = False

    async def submit(self) -> View:
        """POST until it is accepted; the view that was returned. Raises as `RetryingClient.request` does."""
        scenario = self._session.scenario
        headers = {"Idempotency-Key": scenario.key} | ({"Prefer": f"wait={_LOOK_SECONDS}"} if scenario.waits else {})
        response = await self._clients.shop.request("POST", _CHECKOUTS, _TAKEN, body=scenario.body, headers=headers)
        view = self._remember(response)
        if self._session.accepted_at is None:
            self._session.accepted_at = time.monotonic()
            self._session.acts(scenario.method)
            self._session.accepted.set()
        return view

    async def _look(self) -> View:
        """The view as soon as it is another, or after some seconds."""
        headers = {"Prefer": f"wait={_LOOK_SECONDS}"}
        if self._tag:
            headers["If-None-Match"] = self._tag
        path = f"{_CHECKOUTS}/{self._session.checkout_id}"
        response = await self._clients.shop.request("GET", path, frozenset({200, 304}), headers=headers)
        if response.status_code == 304:
            self._session.sees(self._session.status or "processing")
            return self._session.promise.last or {"status": "processing"}
        return self._remember(response)

    def _remember(self, response: httpx.Response) -> View:
        view: dict[str, Any] = response.json()
        session, promise = self._session, self._session.promise
        if "id" not in view:
            # A refusal that was complained of already; looking again would bring the same.
            raise CheckoutFailed(str(view))
        promise.ids.add(view["id"])
        if response.headers.get("Checkout-View") == "stale":
            # It may be older than what was seen already, and nobody may hold the shop to it.
            return promise.last or view
        promise.last = view
        if view["status"] in ENDED and promise.first_final is None:
            promise.first_final = view
        session.sees(view["status"])
        # Without a tag the API waits until somebody has something to do, which is cheaper for everybody.
        self._tag = response.headers.get("ETag") if view["status"] in WAITING_FOR_A_PERSON else None
        return view

    async def _act(self, view: View) -> None:
        """Do what the checkout waits for, if it waits for us."""
        if view["status"] == "payment_stuck" and view["reason"] and self._rng.random() < _LETS_IT_BE:
            return  # It waits for the shop, not for a person.
        if view["status"] == "payment_stuck":
            await self._call_support(self._session)
        elif view["status"] == "awaiting_payment" and view["payment"]["next_action"]:
            await self._at_the_bank(view["payment"]["next_action"]["url"])
        elif view["status"] == "awaiting_payment":
            await self._after_a_decline(view["payment"]["attempts"])

    async def _at_the_bank(self, url: str) -> None:
        page, decision = urlsplit(url).path, self._session.scenario.at_bank
        if page in self._seen_pages or decision == "ignore":
            return
        await asyncio.sleep(self._session.scenario.think_seconds)
        self._seen_pages.add(page)
        if decision == "elsewhere":
            await self._pay_again()
            return
        # The address is the one that the provider was called by, which may lead through a broken link.
        responses = frozenset({200, 303, 409})
        await self._clients.bank.request("POST", f"{page}/{decision}", responses)

    async def _after_a_decline(self, attempts: int) -> None:
        choice = self._session.scenario.when_declined
        if choice == "leave":
            return
        await asyncio.sleep(self._session.scenario.think_seconds)
        if choice == "pay" and attempts < _MOST_TRIES:
            await self._pay_again()
        else:
            await self._cancel()

    async def _pay_again(self) -> None:
        method = draw_next_method(self._rng)
        self._payments += 1
        headers = {"Idempotency-Key": f"{self._session.scenario.key}-pay-{self._payments}"}
        path = f"{_CHECKOUTS}/{self._session.checkout_id}/payment"
        response = await self._clients.shop.request(
            "POST", path, _TAKEN_OR_TOO_LATE, body={"payment_method": method}, headers=headers
        )
        if response.status_code in _TAKEN:
            self._session.acts(method)
            self._remember(response)

    async def _change_of_mind(self) -> None:
        seconds = self._session.scenario.cancels_after_seconds
        if seconds is not None:
            await asyncio.sleep(seconds)
            with suppress(CheckoutFailed):
                await self._cancel()

    async def _cancel(self) -> None:
        path = f"{_CHECKOUTS}/{self._session.checkout_id}/cancel"
        await self._clients.shop.request("POST", path, _TAKEN_OR_TOO_LATE)
