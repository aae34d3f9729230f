"""One customer's way through a checkout, told in advance: what comes of each try, and what ends it.

The provider's ledger is read whenever the customer is told something about money, and at the end.
"""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import httpx

Json = dict[str, Any]

#: What comes of a try -> how it is paid, and what the customer does at the bank, if anything.
OUTCOMES: Final[dict[str, tuple[str, str | None]]] = {
    "declined": ("pm_card_visa_chargeDeclined", None),
    "refused method": ("pm_sandbox_used_up", None),
    "saved error": ("pm_sandbox_saved_error", None),
    "lost response": ("pm_sandbox_lost_response", None),
    "late capture": ("pm_sandbox_late_capture", None),
    "flaky": ("pm_sandbox_flaky", None),
    "3-D Secure failed": ("pm_card_authenticationRequired", "fail"),
    "3-D Secure approved": ("pm_card_authenticationRequired", "approve"),
    "3-D Secure left": ("pm_card_authenticationRequired", None),
}
#: What the customer does after the second try; a number is a cancel so many seconds after a try was sent.
ENDINGS: Final[tuple[str | float, ...]] = ("pays again", "leaves", "cancels when asked", 0.0, 0.4, 2.5)
_FINAL: Final = frozenset({"confirmed", "rejected", "cancelled"})
_BUSY: Final = frozenset({"processing", "compensating"})
_CAN_STILL_TAKE: Final = frozenset({"processing", "requires_action", "requires_capture"})
TOTAL_MINOR: Final = 1290


@dataclass(frozen=True)
class Walk:
    """``tries`` are outcomes, in order; the ending comes after the last, or at the moment that it names after each."""

    tries: tuple[str, ...]
    ending: str | float

    def __str__(self) -> str:
        return f"{', then '.join(self.tries)}; {self.ending}"


def every_pair() -> list[Walk]:
    """Each pair of outcomes in the first two of three tries, with each ending."""
    return [Walk(pair, ending) for pair, ending in product(product(OUTCOMES, repeat=2), ENDINGS)]


class Customer:
    """Walks one walk against a running shop, and keeps what was wrong on the way."""

    def __init__(self, walk: Walk, sku: str, clients: "Clients") -> None:
        self.walk = walk
        self.faults: list[str] = []
        self._sku = sku
        self._storefront, self._support, self._provider = clients.storefront, clients.support, clients.provider
        self._id = ""

    async def go(self) -> list[str]:
        """Walk to the end; everything that was wrong, each a sentence."""
        tries = iter(self.walk.tries)
        view = await self._begin(next(tries))
        while view["status"] not in _FINAL:
            view = await self._next(view, tries)
        await self._judge(view)
        return [f"{self.walk}: {self._id}: {fault}" for fault in self.faults]

    async def _begin(self, outcome: str) -> Json:
        body = {"customer_id": "cus_walks", "currency": "EUR", "lines": [{"sku": self._sku, "quantity": 1}]}
        method, _ = OUTCOMES[outcome]
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        view = await self._insist("/v1/checkouts", {**body, "payment_method": method}, headers)
        self._id = view["id"]
        return await self._after_a_try(view, outcome)

    async def _next(self, view: Json, tries: Iterator[str]) -> Json:
        if view["status"] == "payment_stuck":
            await self._insist_as_support("retry-payment", {"reason": "a walk", "payment_method": "pm_card_visa"})
            return await self._settled()
        if view["status"] != "awaiting_payment":
            return await self._settled()
        await self._told_of_money(view)
        outcome = next(tries, None)
        if outcome is None and self.walk.ending != "pays again":
            if self.walk.ending != "leaves":
                await self._act("cancel", {})
            return await self._settled()
        method = OUTCOMES[outcome][0] if outcome else "pm_card_visa"
        return await self._after_a_try(await self._act("payment", {"payment_method": method}), outcome)

    async def _after_a_try(self, view: Json, outcome: str | None) -> Json:
        if isinstance(self.walk.ending, float):
            # The moment is what is being tried, so it is not waited for a state.
            await asyncio.sleep(self.walk.ending)
            await self._act("cancel", {})
        view = await self._settled()
        action = view["payment"]["next_action"]
        at_bank = OUTCOMES[outcome][1] if outcome else None
        if action and at_bank:
            await self._provider.post(f"{action['url']}/{at_bank}")
            view = await self._settled(unless=action)
        return view

    async def _settled(self, unless: Json | None = None) -> Json:
        """The view once it is nobody's turn but the customer's or support's, or it is over."""
        tag = ""
        while True:
            response = await self._storefront.get(
                f"/v1/checkouts/{self._id}", headers={"Prefer": "wait=10", **({"If-None-Match": tag} if tag else {})}
            )
            if response.status_code == 304:
                continue
            if response.status_code != 200:
                await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
                continue
            view: Json = response.json()
            tag = response.headers["ETag"]
            waits_for_bank = unless is not None and view["payment"]["next_action"] == unless
            if view["status"] not in _BUSY and not waits_for_bank:
                return view

    async def _act(self, what: str, body: Json) -> Json:
        """The customer presses a button; too late is an response as well."""
        return await self._insist(f"/v1/checkouts/{self._id}/{what}", body, {}, may_be_refused=True)

    async def _insist(self, path: str, body: Json, headers: Json, *, may_be_refused: bool = False) -> Json:
        while True:
            response = await self._storefront.post(path, json=body, headers=headers)
            if response.status_code in (429, 503):
                await asyncio.sleep(float(response.headers["Retry-After"]))
                continue
            if response.status_code >= 500 or (response.status_code >= 400 and not may_be_refused):
                self.faults.append(f"{path}: {response.status_code} {response.text}")
            return dict(response.json())

    async def _insist_as_support(self, what: str, body: Json) -> None:
        response = await self._support.post(f"/v1/support/checkouts/{self._id}/{what}", json=body)
        if response.status_code == 409:
            await asyncio.sleep(1)  # The outcome is still unknown, which only the provider's time can change.

    async def _told_of_money(self, view: Json) -> None:
        """Who is told "declined" has not paid, and does not later by the try that was declined."""
        if view["payment"]["status"] == "declined":
            for intent in await self._intents():
                if intent["held"] or intent["status"] in _CAN_STILL_TAKE:
                    self.faults.append(f"told declined while the payment is {intent['status']}")

    async def _judge(self, view: Json) -> None:
        intents = await self._intents()
        held = [intent["held"] for intent in intents if intent["held"]]
        wanted = [TOTAL_MINOR] if view["status"] == "confirmed" else []
        if held != wanted:
            self.faults.append(f"{view['status']} ({view['reason']}), and the provider holds {held}")
        if any(intent["status"] in _CAN_STILL_TAKE for intent in intents):
            self.faults.append(f"{view['status']}, and money may still be taken")

    async def _intents(self) -> list[Json]:
        """Every payment of the checkout in the provider's ledger, with what is ``held`` of it."""
        ledger = (await self._provider.get("/sandbox/ledger")).json()
        back: dict[str, int] = {}
        for refund in ledger["refunds"]:
            if refund["status"] in ("succeeded", "pending"):
                back[refund["payment_intent"]] = back.get(refund["payment_intent"], 0) + refund["amount"]
        return [
            {**one, "held": one["amount_received"] - back.get(one["id"], 0)}
            for one in ledger["intents"]
            if one["metadata"].get("checkout_id") == self._id
        ]


@dataclass(frozen=True)
class Clients:
    """Of the three servers, as a customer, support and the bank reach them."""

    storefront: httpx.AsyncClient
    support: httpx.AsyncClient
    provider: httpx.AsyncClient
