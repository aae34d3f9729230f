"""The shop on the Temporal server that skips time."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from tests.support.invariants import violations
from tests.support.shop import Shop, open_shop
from tests.support.stock import Stock


@pytest.fixture
async def patient_shop(time_skipping: WorkflowEnvironment, engine: AsyncEngine, stock: Stock) -> AsyncIterator[Shop]:
    """On the server that skips time, for what takes minutes."""
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_shop(time_skipping.client, engine) as shop:
        yield shop
    assert await violations(engine) == []
