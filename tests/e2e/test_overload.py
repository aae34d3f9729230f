"""Far more load than the shop can do: it goes on at its pace, refuses the rest at once, and loses nothing.

The machine is shared, and nobody knows how fast it is today. So what is compared is measured in turns, a window of one
kind right after a window of the other. What looks too bad is measured for longer before it counts, so a limit that is
just missed may pass, and a shop that breaks down does not. For figures worth publishing run it alone and for longer:
``OVERLOAD_SCALE=4 make test ARGS="tests/e2e/test_overload.py -s"``.
"""

import asyncio
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from checkout.config.settings import DatabaseSettings
from checkout.db.session import create_engine
from tests.e2e.crowd import Response, crowd_before
from tests.e2e.customers import BOOKS, REGULARS, SCALE, WINDOW_SECONDS, Market, Others, Rush, quantile_ms, served
from tests.e2e.driver import FINAL, Driver, driving, everything_agrees
from tests.support.dev_process import DevProcess, checkout_dev, temporary_directory

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240 if SCALE == 1 else 3600)]


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[DevProcess]:
    async with temporary_directory() as directory, checkout_dev(directory, "--ephemeral") as dev:
        await put_on_shelves(dev, dict.fromkeys(BOOKS, 1_000_000))
        yield dev


async def put_on_shelves(stack: DevProcess, units: dict[str, int]) -> None:
    statement = text(
        "INSERT INTO products (sku, name, price_minor, currency, on_hand, received) "
        "VALUES (:sku, :sku, 1290, 'EUR', :units, :units)"
    )
    engine = create_engine(DatabaseSettings(url=SecretStr(stack.info["database_url"])))
    async with engine.begin() as connection:
        await connection.execute(statement, [{"sku": sku, "units": number} for sku, number in units.items()])
    await engine.dispose()


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """What goes on beside the block, and is given up at its end."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [error for error in ended if isinstance(error, Exception)] == []


async def test_ten_times_the_capacity_is_shed_fast_and_regular_buyers_are_served(stack: DevProcess) -> None:
    async with crowd_before(stack) as crowd, driving(stack) as driver:
        market = Market(crowd)
        async with beside(*(market.come_and_go(place) for place in range(REGULARS))):
            while len(served(market.responses)) < REGULARS:
                await asyncio.sleep(0.05)
            while not market.is_decided(0.8):
                for times in market.served:
                    await market.window(times)
            await market.last_visitor()
        shed = [response for response in market.responses if response.was_shed]
        report(market, shed)

        assert {response.status for response in market.responses} <= {200, 202, 429, 503}
        assert all(1 <= response.retry_after_seconds <= 60 for response in shed)
        assert "overloaded" in {response.body["code"] for response in shed} <= {"overloaded", "article_in_demand"}
        assert quantile_ms(shed, 0.5) < 50
        assert market.goodput >= 0.8
        await settled_right(stack, driver, market.responses)


async def test_a_rush_for_one_article_does_not_delay_buyers_of_others(stack: DevProcess) -> None:
    units, buyers = (20, 600) if SCALE == 1 else (100, 5_000)
    await put_on_shelves(stack, {"HOT": units})
    async with crowd_before(stack) as crowd, driving(stack) as driver:
        rush, others = Rush(crowd, buyers), Others(crowd)
        async with beside(*(rush.insist() for _ in range(buyers))):
            async with beside(others.come_by()):
                while not others.are_decided(2.0) or len(rush.bought) < units:
                    await others.buy_six("alone")
                    await rush.opens()
                    await others.buy_six("in the rush")
                    rush.closes()
                    await rush.over()
            if SCALE > 1:
                await rush.last_buyer()
        report_rush(others, rush)

        assert {response.status for response in others.responses} == {200}
        assert others.slower <= 2
        shed = {response.body["code"] for response in rush.responses if response.was_shed}
        assert "article_in_demand" in shed
        assert shed <= {"article_in_demand", "overloaded"}
        ends = Counter((response.body["status"], response.body["reason"]) for response in served(rush.responses))
        assert ends["confirmed", None] == units
        assert set(ends) == {("confirmed", None), ("rejected", "out_of_stock")}
        assert SCALE == 1 or ends["rejected", "out_of_stock"] == buyers - units
        await settled_right(stack, driver, others.responses + rush.responses)


async def settled_right(stack: DevProcess, driver: Driver, responses: Sequence[Response]) -> None:
    """Everything that was accepted has come to an end, and tables and ledger agree on it."""
    async with httpx.AsyncClient(base_url=stack.info["api_url"], trust_env=False) as client:
        while "checkout_api_under_way 0.0" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.1)
    accepted = [response.body for response in responses if not response.was_shed]
    views = [view if view["status"] in FINAL else await driver.end(view["id"]) for view in accepted]
    assert {view["status"] for view in views} <= {"confirmed", "rejected"}
    await everything_agrees(stack, driver, views)


def report(market: Market, shed: Sequence[Response]) -> None:
    """What was measured, for whoever runs it with -s."""
    calm = statistics.fmean(market.served[0])
    for times, counts in market.served.items():
        per_second, of_calm = statistics.fmean(counts) / WINDOW_SECONDS, statistics.fmean(counts) / calm
        print(f"{times:2d} times on top: {per_second:.1f} served a second, {of_calm:.2f} of calm {counts}")  # noqa: T201
    waited = [f"{quantile_ms(served(market.responses), part):.0f}" for part in (0.5, 0.99)]
    refused = [f"{quantile_ms(shed, part):.1f}" for part in (0.5, 0.99, 1)]
    print(f"served: p50, p99 {waited} ms; {len(shed)} shed: p50, p99, max {refused} ms")  # noqa: T201


def report_rush(others: Others, rush: Rush) -> None:
    """The same for the rush."""
    for when, responses in others.told.items():
        p50, p95 = quantile_ms(responses, 0.5), quantile_ms(responses, 0.95)
        print(f"{len(responses)} other buyers {when}: p50 {p50:.0f} ms, p95 {p95:.0f} ms")  # noqa: T201
    shed = [response for response in rush.responses if response.was_shed]
    refused = [f"{quantile_ms(shed, part):.1f}" for part in (0.5, 0.99, 1)]
    ended = Counter(response.body["status"] for response in served(rush.responses))
    print(f"the rush: {dict(ended)}; {len(shed)} shed: p50, p99, max {refused} ms")  # noqa: T201
