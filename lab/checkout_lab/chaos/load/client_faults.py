"""The faults that clients make: ask in a storm, reuse a key, leave in mid-POST, come in crowds.

It is what `checkout_lab.chaos.faults.base.Shoppers` is in a campaign.
"""

import asyncio
import json
import random
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from checkout_lab.chaos.checker.books import Violation
from checkout_lab.chaos.load.http import code_of
from checkout_lab.chaos.load.load import Load
from checkout_lab.chaos.load.scenarios import HOT, draw_simple, with_body
from checkout_lab.chaos.load.shopper import Session

_LONGEST_WAIT_SECONDS: Final = 30.0
_CHECKOUTS: Final = "/v1/checkouts"
_REUSED: Final = "6: a key stands for one body"
_CARD: Final = "13: a card number is refused"
#: A test number of everybody's, https://docs.stripe.com/testing; it must be refused and nowhere be written down.
_CARD_NUMBER: Final = "4242424242424242"


class ClientFaults:
    """Makes them with the shoppers of a load."""

    def __init__(self, load: Load, api_url: str, storefront_key: str) -> None:
        self._load = load
        self._host, self._port = urlsplit(api_url).hostname or "", urlsplit(api_url).port or 80
        self._authorization = f"Bearer {storefront_key}"
        self._hot = iter(sorted(HOT))

    def recent_ids(self, n: int) -> list[str]:
        """Ids of up to ``n`` checkouts that were accepted and have not ended as far as the load knows, newest first."""
        open_ones = (session for session in reversed(self._load.sessions) if session.accepted_at is not None)
        return [session.checkout_id for session in open_ones if not session.is_over and not session.promise.broken][:n]

    async def storm(self, rng: random.Random, copies: int) -> None:
        """The same request under the same key, ``copies`` times at once: one checkout."""
        await _wait_for(self._storm(rng, copies))

    async def _storm(self, rng: random.Random, copies: int) -> None:
        session = self._load.add(self._load.scenario())
        responses = await asyncio.gather(*(self._post(session, rng) for _ in range(copies)))
        session.promise.ids.update(one for one in responses if one)

    async def other_body(self, rng: random.Random) -> None:
        """A key that was used already, with another body: refused with 422."""
        used = [session for session in self._load.sessions[-200:] if session.accepted_at is not None]
        if not used:
            return
        session = rng.choice(used)
        other = {**session.scenario.body, "customer_id": "cus_of_another_body"}
        await _wait_for(self._refused(session.scenario.key, other, "idempotency_key_reused", _REUSED))

    async def vanish(self, rng: random.Random) -> None:
        """A client that is gone in the middle of its POST, and comes back later with the same key."""
        scenario = self._load.scenario()
        body = json.dumps(scenario.body).encode()
        head = (
            f"POST {_CHECKOUTS} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: {self._authorization}\r\n"
            f"Idempotency-Key: {scenario.key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        # Sometimes the request is whole and only its response is not waited for.
        sent = (head.encode() + body)[: rng.choice([len(head) // 2, len(head) + len(body) // 2, None])]
        with suppress(OSError):  # The API may be away as well.
            _, writer = await asyncio.open_connection(self._host, self._port)
            writer.write(sent)
            await writer.drain()
            writer.transport.abort()
        await _wait_for(self._load.add(scenario).accepted.wait())

    async def two_keys(self, rng: random.Random) -> None:
        """One cart submitted twice at once, under two keys: at most one order."""
        cart = f"cart_twice_{rng.randrange(10**9)}"
        first = self._load.add(with_body(self._load.scenario(draw_simple), cart_id=cart))
        second = self._load.add(with_body(self._load.scenario(draw_simple), cart_id=cart))
        await _wait_for(first.accepted.wait())
        await _wait_for(second.accepted.wait())

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
        scenario = self._load.scenario(draw_simple)
        field = rng.choice(["customer_id", "cart_id"])
        key = f"{scenario.key}-pasted-{rng.randrange(10**6)}"
        await _wait_for(self._refused(key, {**scenario.body, field: _CARD_NUMBER}, "invalid_request", _CARD))

    async def _crowd(self, n: int, changes: dict[str, object]) -> None:
        scenarios = []
        for number in range(n):
            scenario = self._load.scenario(draw_simple)
            scenarios.append(with_body(scenario, **changes, customer_id=f"cus_{number}"))
        await self._load.crowd(scenarios)

    async def _post(self, session: Session, rng: random.Random) -> str | None:
        await asyncio.sleep(rng.uniform(0, 0.05))
        headers = {"Idempotency-Key": session.scenario.key}
        response = await self._load.clients.shop.request(
            "POST", _CHECKOUTS, frozenset({200, 202}), body=session.scenario.body, headers=headers
        )
        return response.json().get("id") if response.is_success else None

    async def _refused(self, key: str, body: dict[str, object], code: str, check: str) -> None:
        headers = {"Idempotency-Key": key}
        anything = frozenset(range(200, 500))
        response = await self._load.clients.shop.request("POST", _CHECKOUTS, anything, body=body, headers=headers)
        if (response.status_code, code_of(response)) != (422, code):
            self._load.complaints.append(
                Violation(check, key, f"the response is {response.status_code} {code_of(response)}")
            )


async def _wait_for(requests: Awaitable[object]) -> None:
    """Wait for the responses; who gets none for half a minute, because the shop is down or full, gives up."""
    with suppress(TimeoutError):
        await asyncio.wait_for(requests, _LONGEST_WAIT_SECONDS)
