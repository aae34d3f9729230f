"""The person at the support desk: looks at a stuck payment, and retries, cancels or resolves it."""

import asyncio
import random
from typing import Any, Final

from lab.chaos.load.http import Callers
from lab.chaos.load.shopper import Visit

_PLACE: Final = "/v1/support/checkouts"
_ANSWERS: Final = frozenset({200, 202, 409})
_LONGEST_THINKING_SECONDS: Final = 2.0


class SupportAgent:
    """One person, who does one thing about a checkout each time that they are called."""

    def __init__(self, callers: Callers, rng: random.Random) -> None:
        self._callers = callers
        self._rng = rng
        self._presses = 0

    async def help(self, visit: Visit) -> None:
        """Do something about the stuck payment; a refusal (409) leaves it as it is, and the next call tries again.

        Raises:
            Gone: nothing works on the checkout any more.
        """
        await asyncio.sleep(self._rng.uniform(0.2, _LONGEST_THINKING_SECONDS))
        what = self._rng.choices(["retry", "retry_otherwise", "resolve", "cancel"], [30, 35, 15, 20])[0]
        if what == "cancel":
            await self._press(visit, "cancel", {})
        elif what == "resolve":
            await self._press(visit, "resolve-payment", await self._seen_at_the_provider(visit))
        else:
            more = {"payment_method": "pm_card_visa"} if what == "retry_otherwise" else {}
            await self._press(visit, "retry-payment", more)

    async def _press(self, visit: Visit, action: str, more: dict[str, Any]) -> None:
        self._presses += 1
        await self._callers.support.insist(
            "POST",
            f"{_PLACE}/{visit.checkout_id}/{action}",
            _ANSWERS,
            body={"reason": "the customer calls", **more},
            headers={"Idempotency-Key": f"{visit.errand.key}-{action}-{self._presses}"},
        )

    async def _seen_at_the_provider(self, visit: Visit) -> dict[str, Any]:
        """What the provider's own books show, as a person would read them in its dashboard."""
        books = (await self._callers.bank.insist("GET", "/sandbox/ledger", frozenset({200}))).json()
        for intent in books["intents"]:
            if intent["metadata"].get("checkout_id") == visit.checkout_id and intent["amount_received"]:
                return {"outcome": "captured", "provider_reference": intent["id"]}
        return {"outcome": "not_charged"}
