"""Reads rows by the names of their columns, and changes some behind the back of every rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.waiting import until

Row = dict[str, Any]


class Shelf(NamedTuple):
    """The units of one article."""

    on_hand: int
    reserved: int


@dataclass
class Tables:
    """The tables behind ``engine``."""

    engine: AsyncEngine

    async def rows(self, statement: str, **parameters: Any) -> list[Row]:
        """Everything that the statement finds."""
        async with self.engine.connect() as connection:
            found = await connection.execute(text(statement), parameters)
            return [dict(row) for row in found.mappings()]

    async def row(self, statement: str, **parameters: Any) -> Row:
        """The one row that the statement finds."""
        [row] = await self.rows(statement, **parameters)
        return row

    async def value(self, statement: str, **parameters: Any) -> Any:
        """The first value that the statement finds; None for no row."""
        rows = await self.rows(statement, **parameters)
        return next(iter(rows[0].values())) if rows else None

    async def wait_for(self, statement: str, is_so: Callable[[Any], object]) -> None:
        """Read the value again until it is the awaited one."""
        await until(lambda: self.value(statement), is_so)

    async def shelf(self, sku: str = "MUG") -> Shelf:
        """How many units are on hand, and how many of them are held."""
        return Shelf(**await self.row("SELECT on_hand, reserved FROM products WHERE sku = :sku", sku=sku))

    async def tamper(self, statement: str) -> None:
        """Change rows behind the back of every rule of the tables."""
        async with self.engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            await connection.execute(text(statement))
