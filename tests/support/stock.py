"""Articles on the shelves."""

from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

#: What a test may put on the shelves: sku -> (unit price in minor units, currency, units on hand).
Shelf = dict[str, tuple[int, str, int]]
Stock = Callable[[Shelf], Awaitable[None]]


async def put_on_shelves(engine: AsyncEngine, shelf: Shelf) -> None:
    """New articles, by SKU."""
    statement = text(
        "INSERT INTO products (sku, name, price_minor, currency, on_hand, received) "
        "VALUES (:sku, 'Article ' || :sku, :price, :currency, :on_hand, :on_hand)"
    )
    rows = [{"sku": sku, "price": p, "currency": c, "on_hand": n} for sku, (p, c, n) in shelf.items()]
    async with engine.begin() as connection:
        await connection.execute(statement, rows)
