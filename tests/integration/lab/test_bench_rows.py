"""The past orders of `checkout bench --growth orders` are orders that the product could have written itself."""

from typing import LiteralString

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from checkout.config.settings import DatabaseSettings
from checkout_lab.bench.environment.database import BenchDatabase
from checkout_lab.bench.growth.rows import write_past_orders
from checkout_lab.bench.log import BenchLog
from tests.support.invariants import violations


@pytest.fixture
async def bench_database(database: DatabaseSettings) -> BenchDatabase:
    url = make_url(database.url.get_secret_value()).set(drivername="postgresql")
    bench = BenchDatabase(url.render_as_string(hide_password=False), BenchLog())
    await bench.stock()
    return bench


async def count(engine: AsyncEngine, query: LiteralString) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text(query))).scalar_one())


async def test_past_orders_break_no_rule(bench_database: BenchDatabase, engine: AsyncEngine) -> None:
    await write_past_orders(bench_database, so_far=0, wanted=1500)

    assert await violations(engine) == []
    assert await count(engine, "SELECT count(*) FROM audit_log") == 8 * 1500
    assert await count(engine, "SELECT sum(received - on_hand) FROM products") == 1500
    # No trigger and no foreign key was asked; all that they would have looked for is there.
    orphans = """
        SELECT count(*) FROM checkouts c LEFT JOIN orders o USING (checkout_id)
        LEFT JOIN reservations r USING (checkout_id) LEFT JOIN order_lines l USING (order_number)
        LEFT JOIN payments p USING (checkout_id) LEFT JOIN products s ON s.sku = r.sku AND s.sku = l.sku
        WHERE s.sku IS NULL OR p.checkout_id IS NULL"""
    assert await count(engine, orphans) == 0


async def test_more_of_them_come_beside_those_that_are_there(
    bench_database: BenchDatabase, engine: AsyncEngine
) -> None:
    await write_past_orders(bench_database, so_far=0, wanted=10)
    await write_past_orders(bench_database, so_far=10, wanted=25)

    assert await count(engine, "SELECT count(DISTINCT order_number) FROM orders") == 25
    assert await bench_database.endings() == {}
