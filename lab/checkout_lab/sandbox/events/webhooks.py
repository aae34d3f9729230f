"""Events, signed as Stripe signs them and delivered until somebody takes them (https://docs.stripe.com/webhooks).

They wait in the ledger's outbox, so none is lost when the process dies. Each is delivered at least once and in no
promised order, which is all that Stripe promises.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from secrets import SystemRandom

import httpx

from checkout_lab.sandbox.faults import Faults
from checkout_lab.sandbox.ledger.ledger import SandboxLedger

_AT_ONCE = 16
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 30.0
_SHUFFLE_SECONDS = 2.0
# Stripe gives up after three days. With these pauses it is most of an hour, so an old ledger does not pester anybody.
_MAX_TRIES = 100

Event = tuple[str, str, int]  # id, body, tries so far


def signature(secret: str, body: str, timestamp: int) -> str:
    """The ``Stripe-Signature`` header (https://docs.stripe.com/webhooks/signature): HMAC-SHA256 over time and body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class WebhookSender:
    """Delivers the outbox of a ledger to one address, as the faults of the moment allow."""

    def __init__(self, ledger: SandboxLedger, faults: Faults, url: str, secret: str) -> None:
        self._ledger = ledger
        self._faults = faults
        self._url = url
        self._secret = secret
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)

    async def run(self, wait: Callable[[float], Awaitable[None]]) -> None:
        """Deliver for ever; ``wait`` pauses for so many seconds, or until something happens."""
        async with self._client:
            while True:
                batch = self._waiting(time.time())
                if batch:
                    await asyncio.gather(*(self._deliver(event) for event in batch))
                else:
                    await wait(_FIRST_RETRY_SECONDS)

    def _waiting(self, now: float) -> list[Event]:
        if self._faults.webhooks == "off":
            return []
        rows = self._ledger.db.execute(
            "SELECT id, body, tries FROM events WHERE delivered IS NULL AND next_try <= ? AND tries < ? "
            "ORDER BY seq LIMIT ?",
            (now, _MAX_TRIES, _AT_ONCE),
        )
        return list(rows)

    async def _deliver(self, event: Event) -> None:
        name, body, tries = event
        if self._faults.webhooks == "shuffle" and tries == 0:
            # The first delivery only draws a time; the tries then tell that it has been drawn.
            self._put_off(event, SystemRandom().uniform(0, _SHUFFLE_SECONDS))
            return
        taken = await self._post(body)
        if taken and self._faults.webhooks == "duplicate":
            taken = await self._post(body)
        if taken:
            self._ledger.db.execute("UPDATE events SET delivered = ? WHERE id = ?", (time.time(), name))
        else:
            self._put_off(event, min(_FIRST_RETRY_SECONDS * 2**tries, _LONGEST_RETRY_SECONDS))

    def _put_off(self, event: Event, seconds: float) -> None:
        self._ledger.db.execute(
            "UPDATE events SET tries = tries + 1, next_try = ? WHERE id = ?", (time.time() + seconds, event[0])
        )

    async def _post(self, body: str) -> bool:
        header = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(self._secret, body, int(time.time())),
        }
        try:
            response = await self._client.post(self._url, content=body, headers=header)
        except httpx.HTTPError:
            # Nobody is there to take it now. The outbox keeps it, and the next try is the remedy.
            return False
        return response.is_success
