"""The catalogue: articles, prices and stock are imported all at once or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

#: The most units of an article that the tables take.
MAX_ON_HAND = 10**12


@dataclass(frozen=True)
class Product:
    """One article: its price in minor units of its currency, and how many units are on hand."""

    sku: str
    name: str
    price_minor: int
    currency: str
    on_hand: int


# What was ever received follows what is on hand now, so that stock counted anew is not stock lost.
_UPSERT = text("""
    INSERT INTO products AS p (sku, name, price_minor, currency, on_hand, reserved, received)
    VALUES (:sku, :name, :price_minor, :currency, :on_hand, 0, :on_hand)
    ON CONFLICT (sku) DO UPDATE SET
        name = excluded.name, price_minor = excluded.price_minor, currency = excluded.currency,
        on_hand = excluded.on_hand, received = p.received + excluded.on_hand - p.on_hand, updated_at = now()
""")

_LOCK = text("""
    SELECT sku, reserved, received - on_hand AS sold FROM products WHERE sku = ANY (CAST(:skus AS text[]))
    ORDER BY sku FOR NO KEY UPDATE
""")


async def import_products(engine: AsyncEngine, products: Sequence[Product]) -> dict[str, str]:
    """Insert or update every article in one transaction; returns what is wrong with which SKU, if anything is.

    If anything is wrong, nothing is imported. Checkouts that run meanwhile keep the prices of their orders, and the
    stock that they hold.

    Raises:
        sqlalchemy.exc.OperationalError: the database is away.
    """
    async with engine.begin() as connection:
        found = await connection.execute(_LOCK, {"skus": [product.sku for product in products]})
        stock = {row.sku: row for row in found}
        faults = dict(_faults(products, stock))
        if not faults:
            # In the order of the SKUs, as reservations lock them, so that neither waits for the other for ever.
            await connection.execute(_UPSERT, [vars(product) for product in sorted(products, key=lambda one: one.sku)])
    return faults


def _faults(products: Sequence[Product], stock: Mapping[str, Row[Any]]) -> Iterator[tuple[str, str]]:
    """Articles of which checkouts hold or have bought more than the new stock allows."""
    for product in products:
        now = stock.get(product.sku)
        if now and product.on_hand < now.reserved:
            yield product.sku, f"on_hand of {product.sku} is {product.on_hand}, but {now.reserved} are held"
        elif now and product.on_hand + now.sold > MAX_ON_HAND:
            yield product.sku, f"on_hand and sold units of {product.sku} exceed {MAX_ON_HAND}"
