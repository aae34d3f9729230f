"""What the tables and the provider's ledger have of each checkout. Whatever table names a checkout is read."""

from collections import defaultdict
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tests.support.sandbox_server import SandboxServer

#: Table (or `intents`, or `refunds_of_the_provider`) -> its rows.
Traces = dict[str, list[dict[str, Any]]]

_TABLES = text("""
    SELECT table_name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'checkout_id' ORDER BY table_name
""")


class Books:
    """Reads them, without going through the product. The article of a checkout has the checkout's id for its SKU."""

    def __init__(self, engine: AsyncEngine, sandbox: SandboxServer) -> None:
        self._engine = engine
        self._sandbox = sandbox

    async def of(self, checkout_id: str) -> Traces:
        """All that there is of one checkout."""
        return (await self._read(checkout_id))[checkout_id]

    async def of_all(self) -> dict[str, Traces]:
        """All that there is, by checkout."""
        return await self._read(None)

    async def _read(self, checkout_id: str | None) -> dict[str, Traces]:
        # Tables first: what the provider does afterwards may be news to them, and never the other way round.
        found: dict[str, Traces] = defaultdict(lambda: defaultdict(list))
        async with self._engine.connect() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            for table in (await connection.execute(_TABLES)).scalars().all():
                await _add_rows(found, connection, table, "checkout_id", checkout_id)
            await _add_rows(found, connection, "products", "sku", checkout_id)
        await self._add_ledger(found)
        return found

    async def _add_ledger(self, found: dict[str, Traces]) -> None:
        ledger = await self._sandbox.ledger()
        owners = {one["id"]: one["metadata"]["checkout_id"] for one in ledger["intents"]}
        for intent in ledger["intents"]:
            found[owners[intent["id"]]]["intents"].append(intent)
        for refund in ledger["refunds"]:
            found[owners[refund["payment_intent"]]]["refunds_of_the_provider"].append(refund)


async def _add_rows(
    found: dict[str, Traces], connection: AsyncConnection, table: str, key: str, checkout_id: str | None
) -> None:
    rows = f"SELECT {key}, to_jsonb(t) FROM {table} t WHERE :id IS NULL OR {key} = :id ORDER BY to_jsonb(t)::text"
    for owner, row in await connection.execute(text(rows.replace(":id", "CAST(:id AS text)")), {"id": checkout_id}):
        found[owner][table].append(row)
