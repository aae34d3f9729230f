"""The support routes over real HTTP, on a real Temporal, with the real worker on a real PostgreSQL."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from tests.support.api_process import Storefront, open_storefront
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock


@pytest.fixture
async def gateway(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[ScriptedGateway]:
    await stock({"MUG-WHITE": (1290, "EUR", 70)})
    async with open_shop(temporal_client, engine) as shop:
        yield shop.gateway
        shop.gateway.let_go.set()


@pytest.fixture
async def storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    ui = "http://ui.example/temporal/"
    async with open_storefront(temporal_client, payment_stuck_after_seconds=1, temporal_ui_url=ui) as storefront:
        yield storefront
