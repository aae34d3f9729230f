"""A shop on a server that asks for a new run early."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from checkout.provisioning.search_attributes import register_search_attributes
from checkout_lab.stack.servers.temporal import DevTemporal
from tests.support.invariants import violations
from tests.support.servers import fresh_namespace, temporal_with
from tests.support.shop import Shop, open_shop
from tests.support.stock import Stock
from tests.workflow.continue_as_new.runs import EVENTS


@pytest.fixture(scope="module")
async def hasty_server() -> AsyncIterator[DevTemporal]:
    """A server that wants short histories."""
    async with temporal_with(f"limit.historyCount.suggestContinueAsNew={EVENTS}") as server:
        yield server


@pytest.fixture
async def shop(hasty_server: DevTemporal, engine: AsyncEngine, stock: Stock) -> AsyncIterator[Shop]:
    await stock({"MUG": (1290, "EUR", 700)})
    client = await fresh_namespace(hasty_server)
    await register_search_attributes(client)
    async with open_shop(client, engine) as shop:
        yield shop
    assert await violations(engine) == []
