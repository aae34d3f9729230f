"""A support agent: looks at a stuck payment, and retries, cancels or resolves it."""

import asyncio
import random
from typing import Any, Final

from checkout_lab.chaos.load.http import Clients
from checkout_lab.chaos.load.shopper import Session

_PLACE: Final = "/v1/support/checkouts"
_EXPECTED: Final = frozenset({200, 202, 409})
_LONGEST_THINKING_SECONDS: Final = 2.0


class SupportAgent:
    """One person, who does one thing about a checkout each time that they are called."""

    def __init__(self, clients: Clients, rng: random.Random) -> None:
        self._clients = clients
        self._rng = rng
        self._updates = 0

    async def help(self, session: Session) -> None:
        """Do something about the stuck payment; a refusal (409) leaves it as it is, and the next call tries again.

        Raises:
            CheckoutFailed: nothing works on the checkout any more.
        """
        await asyncio.sleep(self._rng.uniform(0.2, _LONGEST_THINKING_SECONDS))
        what = self._rng.choices(["retry", "retry_otherwise", "resolve", "cancel"], [30, 35, 15, 20])[0]
        if what == "cancel":
            await self._update(session, "cancel", {})
        elif what == "resolve":
            await self._update(session, "resolve-payment", await self._seen_at_the_provider(session))
        else:
            more = {"payment_method": "pm_card_visa"} if what == "retry_otherwise" else {}
            await self._update(session, "retry-payment", more)

    async def _update(self, session: Session, action: str, more: dict[str, Any]) -> None:
        self._updates += 1
        await self._clients.support.request(
            "POST",
            f"{_PLACE}/{session.checkout_id}/{action}",
            _EXPECTED,
            body={"reason": "the customer calls", **more},
            headers={"Idempotency-Key": f"{session.scenario.key}-{action}-{self._updates}"},
        )

    async def _seen_at_the_provider(self, session: Session) -> dict[str, Any]:
        """What the provider's own books show, as a person would read them in its dashboard."""
        books = (await self._clients.bank.request("GET", "/sandbox/ledger", frozenset({200}))).json()
        for intent in books["intents"]:
            if intent["metadata"].get("checkout_id") == session.checkout_id and intent["amount_received"]:
                return {"outcome": "captured", "provider_reference": intent["id"]}
        return {"outcome": "not_charged"}
