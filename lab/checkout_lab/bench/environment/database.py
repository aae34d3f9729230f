"""What the bench does in PostgreSQL itself: it stocks articles, counts how checkouts ended, has statements logged."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

import psycopg

from checkout_lab.bench.log import BenchLog

ARTICLES: Final = 1000
_UNITS: Final = 10**9
SKUS: Final = tuple(f"BENCH-{number:04}" for number in range(ARTICLES))

_STOCK = """
    INSERT INTO products (sku, name, price_minor, currency, on_hand, received)
    SELECT sku, 'Article ' || sku, 1290, 'EUR', %(units)s, %(units)s FROM unnest(%(skus)s::text[]) AS s (sku)
"""
_ENDED = "SELECT status, count(*) FROM checkouts WHERE customer_id LIKE 'bench-%' GROUP BY status"


class BenchDatabase:
    """One connection beside those of the product. Its own statements are never logged, so never counted."""

    def __init__(self, url: str, log: BenchLog) -> None:
        self._url = url
        self._log = log

    async def stock(self) -> None:
        """Put so many articles on the shelves that carts seldom meet, and so many units that none runs out."""
        await self.run(_STOCK, {"units": _UNITS, "skus": list(SKUS)})

    async def endings(self) -> dict[str, int]:
        """Count the bench's checkouts by state."""
        return dict(await self.run(_ENDED))

    async def run(self, statement: LiteralString, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement; its rows, if it has any."""
        async with self._connect() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall() if cursor.description else []

    async def version(self) -> str:
        """Return the server's version, such as 18.6."""
        return str((await self.run("SHOW server_version"))[0][0])

    @asynccontextmanager
    async def without_triggers(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """A transaction in which no trigger fires and no foreign key is looked up, as for a replica."""
        async with self._connect() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            yield connection

    @asynccontextmanager
    async def statements_logged(self) -> AsyncIterator[None]:
        """Have the server log every statement of others within the block; all of them are counted when it ends."""
        await self._log_statements("all")
        await self._all_seen()
        self._log.forget()
        try:
            yield
            await self._all_seen()
        finally:
            await self._log_statements("none")

    async def _log_statements(self, which: LiteralString) -> None:
        async with self._connect() as connection:
            await connection.execute(f"ALTER SYSTEM SET log_statement = '{which}'")
            await connection.execute("SELECT pg_reload_conf()")
        # Whoever connects now is a child of a server that has read it, and has told the others.
        while (await self._shown()) != which:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.02)

    async def _shown(self) -> str:
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            row = await (await connection.execute("SHOW log_statement")).fetchone()
            return str(row[0]) if row else ""

    async def _all_seen(self) -> None:
        """Wait until the log has come to here. What is left is our own, and taken out again."""
        mark = uuid.uuid4().hex
        async with self._connect() as connection:
            await connection.execute("SET log_statement = 'all'")
            await connection.execute(f"SELECT '{mark}'")
        while not self._log.has_seen(mark):  # noqa: ASYNC110 - another process's words
            await asyncio.sleep(0.02)
        self._log.drop(mark)

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[psycopg.AsyncConnection]:
        async with await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, options="-c log_statement=none"
        ) as connection:
            yield connection
