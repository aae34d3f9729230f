"""The shop on the real Temporal server, and on the one that skips time."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from tests.support.invariants import violations
from tests.support.shop import Shop, open_shop
from tests.support.stock import Stock


@pytest.fixture
async def shop(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[Shop]:
    """On the real server."""
    await stock({"MUG": (1290, "EUR", 7), "FREE": (0, "EUR", 9)})
    async with open_shop(temporal_client, engine) as shop:
        yield shop
    assert await violations(engine) == []


@pytest.fixture
async def patient_shop(time_skipping: WorkflowEnvironment, engine: AsyncEngine, stock: Stock) -> AsyncIterator[Shop]:
    """On the server that skips time, for what takes minutes."""
    await stock({"MUG": (1290, "EUR", 7)})
    async with open_shop(time_skipping.client, engine) as shop:
        yield shop
    assert await violations(engine) == []
