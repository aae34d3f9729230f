"""No order of responses, refusals, time-outs and late captures ends with money taken and no order.

The argument is in docs/explanation/money.md.

The comparison of the books has no part in it: none runs on this stack.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.property.profile import examples, is_long
from tests.property.stack_client import Article, Json, StackClient
from tests.property.walks import ENDINGS, OUTCOMES, TOTAL_MINOR, Clients, Customer, Walk, every_pair

#: Well below what the shop can do on two cores, so that the customers meet the provider and not each other.
_AT_ONCE = 48


@pytest.fixture
async def clients(stack_info: Json) -> AsyncIterator[Clients]:
    keys = {"storefront": stack_info["storefront_key"], "support": stack_info["support_key"]}
    async with AsyncExitStack() as stack:
        made = {
            name: await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=stack_info["api_url"],
                    headers={"Authorization": f"Bearer {key}"},
                    timeout=60,
                    trust_env=False,
                    limits=httpx.Limits(max_connections=_AT_ONCE),
                )
            )
            for name, key in keys.items()
        }
        provider = httpx.AsyncClient(
            base_url=stack_info["sandbox_url"], timeout=60, trust_env=False, follow_redirects=True
        )
        yield Clients(made["storefront"], made["support"], await stack.enter_async_context(provider))


def walks() -> list[Walk]:
    """Each pair of outcomes with each ending; whoever has the time adds any three."""
    drawn = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))
    more = examples(0) * 3 if is_long() else 0
    return every_pair() + [
        Walk(tuple(drawn.choices(list(OUTCOMES), k=3)), drawn.choice([*ENDINGS, drawn.uniform(0, 4)]))
        for _ in range(more)
    ]


@pytest.mark.parametrize("webhooks", ["normal", "off"])
async def test_no_order_of_responses_ends_with_money_taken_and_no_order(
    stack_client: StackClient, clients: Clients, webhooks: str
) -> None:
    sku = f"WALK-{webhooks}"
    await asyncio.to_thread(stack_client.stock_up, [Article(sku, TOTAL_MINOR, "EUR", 10_000)])
    await asyncio.to_thread(stack_client.recover)
    await asyncio.to_thread(lambda: stack_client.set_faults(webhooks=webhooks))
    places = asyncio.Semaphore(_AT_ONCE)

    async def go(walk: Walk) -> list[str]:
        async with places:
            return await Customer(walk, sku, clients).go()

    # Every other one with the provider's events, and the rest without.
    mine = walks()[webhooks == "off" :: 2]
    faults = [fault for found in await asyncio.gather(*map(go, mine)) for fault in found]
    assert faults == []
    assert await asyncio.to_thread(stack_client.violations) == []
    _, held = await asyncio.to_thread(stack_client.shelf, sku)
    assert held == 0
    await asyncio.to_thread(lambda: stack_client.set_faults(webhooks="normal"))
