"""What shoppers do for the sake of it, or by mistake: ask in a storm, reuse a key, leave in mid-POST, come in crowds.

This is the campaign's side of `Shoppers`, which the faults made by clients ask.
"""

import asyncio
import json
import random
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from lab.chaos.checker.books import Violation
from lab.chaos.load.errands import HOT, draw_simple, with_body
from lab.chaos.load.http import code_of
from lab.chaos.load.load import Load
from lab.chaos.load.shopper import Visit

_PATIENCE_SECONDS: Final = 30.0
_CHECKOUTS: Final = "/v1/checkouts"
_REUSED: Final = "6: a key stands for one body"
_CARD: Final = "13: a card number is refused"
#: A test number of everybody's, https://docs.stripe.com/testing; it must be refused and nowhere be written down.
_CARD_NUMBER: Final = "4242424242424242"


class Mischief:
    """The load, as far as a fault can ask something of it."""

    def __init__(self, load: Load, api_url: str, storefront_key: str) -> None:
        self._load = load
        self._host, self._port = urlsplit(api_url).hostname or "", urlsplit(api_url).port or 80
        self._authorization = f"Bearer {storefront_key}"
        self._hot = iter(sorted(HOT))

    def recent_ids(self, n: int) -> list[str]:
        """Ids of up to ``n`` checkouts that were accepted and have not ended as far as the load knows, newest first."""
        open_ones = (visit for visit in reversed(self._load.visits) if visit.accepted_at is not None)
        return [visit.checkout_id for visit in open_ones if not visit.is_over and not visit.promise.broken][:n]

    async def storm(self, rng: random.Random, copies: int) -> None:
        """The same request under the same key, ``copies`` times at once: one checkout."""
        await _patiently(self._storm(rng, copies))

    async def _storm(self, rng: random.Random, copies: int) -> None:
        visit = self._load.add(self._load.errand())
        answers = await asyncio.gather(*(self._post(visit, rng) for _ in range(copies)))
        visit.promise.ids.update(one for one in answers if one)

    async def other_body(self, rng: random.Random) -> None:
        """A key that was used already, with another body: refused with 422."""
        used = [visit for visit in self._load.visits[-200:] if visit.accepted_at is not None]
        if not used:
            return
        visit = rng.choice(used)
        other = {**visit.errand.body, "customer_id": "cus_of_another_body"}
        await _patiently(self._refused(visit.errand.key, other, "idempotency_key_reused", _REUSED))

    async def vanish(self, rng: random.Random) -> None:
        """A client that is gone in the middle of its POST, and comes back later with the same key."""
        errand = self._load.errand()
        body = json.dumps(errand.body).encode()
        head = (
            f"POST {_CHECKOUTS} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: {self._authorization}\r\n"
            f"Idempotency-Key: {errand.key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        # Sometimes the request is whole and only its answer is not waited for.
        sent = (head.encode() + body)[: rng.choice([len(head) // 2, len(head) + len(body) // 2, None])]
        with suppress(OSError):  # The API may be away as well.
            _, writer = await asyncio.open_connection(self._host, self._port)
            writer.write(sent)
            await writer.drain()
            writer.transport.abort()
        await _patiently(self._load.add(errand).accepted.wait())

    async def two_keys(self, rng: random.Random) -> None:
        """One cart submitted twice at once, under two keys: at most one order."""
        cart = f"cart_twice_{rng.randrange(10**9)}"
        first = self._load.add(with_body(self._load.errand(draw_simple), cart_id=cart))
        second = self._load.add(with_body(self._load.errand(draw_simple), cart_id=cart))
        await _patiently(first.accepted.wait())
        await _patiently(second.accepted.wait())

    async def burst(self, rng: random.Random, n: int) -> None:
        """``n`` checkouts at once, far more than capacity; whatever is accepted has to end right."""
        await self.paste_a_card(rng)
        await self._crowd(n, {})

    async def hot_sku(self, _: random.Random, buyers: int) -> None:
        """``buyers`` at once who all want the same article, of which there are few."""
        sku = next(self._hot, max(HOT))
        await self._crowd(buyers, {"lines": [{"sku": sku, "quantity": 1}]})

    async def paste_a_card(self, rng: random.Random) -> None:
        """A card number where an id belongs, as happens in forms: refused, and forgotten."""
        errand = self._load.errand(draw_simple)
        field = rng.choice(["customer_id", "cart_id"])
        key = f"{errand.key}-pasted-{rng.randrange(10**6)}"
        await _patiently(self._refused(key, {**errand.body, field: _CARD_NUMBER}, "invalid_request", _CARD))

    async def _crowd(self, n: int, changes: dict[str, object]) -> None:
        errands = []
        for number in range(n):
            errand = self._load.errand(draw_simple)
            errands.append(with_body(errand, **changes, customer_id=f"cus_{number}"))
        await self._load.crowd(errands)

    async def _post(self, visit: Visit, rng: random.Random) -> str | None:
        await asyncio.sleep(rng.uniform(0, 0.05))
        headers = {"Idempotency-Key": visit.errand.key}
        answer = await self._load.callers.shop.insist(
            "POST", _CHECKOUTS, frozenset({200, 202}), body=visit.errand.body, headers=headers
        )
        return answer.json().get("id") if answer.is_success else None

    async def _refused(self, key: str, body: dict[str, object], code: str, check: str) -> None:
        headers = {"Idempotency-Key": key}
        anything = frozenset(range(200, 500))
        answer = await self._load.callers.shop.insist("POST", _CHECKOUTS, anything, body=body, headers=headers)
        if (answer.status_code, code_of(answer)) != (422, code):
            self._load.complaints.append(Violation(check, key, f"answered {answer.status_code} {code_of(answer)}"))


async def _patiently(requests: Awaitable[object]) -> None:
    """Wait for the answers; who gets none for half a minute, because the shop is down or full, gives up."""
    with suppress(TimeoutError):
        await asyncio.wait_for(requests, _PATIENCE_SECONDS)
