"""What a confirmed checkout costs PostgreSQL: a statement more is a round trip more for every customer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.checkout_steps import CheckoutSteps


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


async def bought(steps: CheckoutSteps, checkout: str) -> None:
    """A checkout whose money is taken."""
    await steps.reserve(checkout)
    await steps.order(checkout)
    await steps.charge(checkout)


async def test_a_confirmed_checkout_takes_seven_statements_two_of_its_transactions_being_long(
    steps: CheckoutSteps, engine: AsyncEngine
) -> None:
    await bought(steps, "chk_0")  # The first charge of a process looks at the provider's account as well.
    await steps.confirm("chk_0")
    with counted(engine) as count:
        await bought(steps, "chk_1")
        await steps.confirm("chk_1")
    assert count == Counted(statements=7, transactions=2)


async def test_an_undone_checkout_takes_sixteen_more(steps: CheckoutSteps, engine: AsyncEngine) -> None:
    await bought(steps, "chk_0")
    with counted(engine) as count:
        await steps.refund("chk_0")
        await steps.cancel("chk_0")
        await steps.release("chk_0")
    assert count == Counted(statements=16, transactions=3)
