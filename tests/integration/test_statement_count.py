"""What a confirmed checkout costs PostgreSQL: a statement more is a round trip more for every customer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.steps_shop import Shop, Stock, open_shop


@dataclass
class Counted:
    """Statements, and the transactions of more than one statement."""

    statements: int = 0
    transactions: int = 0


@contextmanager
def counted(engine: AsyncEngine) -> Iterator[Counted]:
    """Count what goes through the engine within the block."""
    count = Counted()

    def statement(*_: Any) -> None:
        count.statements += 1

    def commit(connection: Any) -> None:
        count.transactions += connection.get_isolation_level() != "AUTOCOMMIT"

    event.listen(engine.sync_engine, "before_cursor_execute", statement)
    event.listen(engine.sync_engine, "commit", commit)
    yield count
    event.remove(engine.sync_engine, "before_cursor_execute", statement)
    event.remove(engine.sync_engine, "commit", commit)


@pytest.fixture
async def shop(engine: AsyncEngine, stock: Stock) -> Shop:
    return await open_shop(engine, stock)


async def bought(shop: Shop, checkout: str) -> None:
    """A checkout whose money is taken."""
    await shop.reserve(checkout)
    await shop.order(checkout)
    await shop.charge(checkout)


async def test_a_confirmed_checkout_takes_seven_statements_two_of_its_transactions_being_long(
    shop: Shop, engine: AsyncEngine
) -> None:
    await bought(shop, "chk_0")  # The first charge of a process looks at the provider's account as well.
    await shop.confirm("chk_0")
    with counted(engine) as count:
        await bought(shop, "chk_1")
        await shop.confirm("chk_1")
    assert count == Counted(statements=7, transactions=2)


async def test_an_undone_checkout_takes_sixteen_more(shop: Shop, engine: AsyncEngine) -> None:
    await bought(shop, "chk_0")
    with counted(engine) as count:
        await shop.refund("chk_0")
        await shop.cancel("chk_0")
        await shop.release("chk_0")
    assert count == Counted(statements=16, transactions=3)
