"""What support reads of a checkout that moves on while it is being read."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, Interceptor, OutboundInterceptor, QueryWorkflowInput

from tests.support.api_process import SUPPORT_KEY, open_storefront
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock


class _Reader(OutboundInterceptor):
    """Lets the checkout end just before its view is read, and after its timeline, if that is read beside it."""

    def __init__(self, following: OutboundInterceptor, gateway: ScriptedGateway, temporal: Client) -> None:
        super().__init__(following)
        self._gateway = gateway
        self._temporal = temporal
        self._is_timeline_asked = False
        self._timeline_is_read = asyncio.Event()

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        if input.query == "timeline":
            self._is_timeline_asked = True
            response = await super().query_workflow(input)
            self._timeline_is_read.set()
            return response
        await asyncio.sleep(0)  # Whatever is asked beside this has its turn.
        if self._is_timeline_asked:
            await self._timeline_is_read.wait()
        self._gateway.let_go.set()
        await self._temporal.get_workflow_handle(input.id).result()
        return await super().query_workflow(input)


class _Reading(Interceptor):
    def __init__(self, gateway: ScriptedGateway, temporal: Client) -> None:
        self._arguments = (gateway, temporal)

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Reader(next, *self._arguments)


async def test_the_timeline_tells_of_all_that_the_view_shows(
    temporal_client: Client, engine: AsyncEngine, stock: Stock
) -> None:
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        shop.gateway.let_go.clear()
        reading = _Reading(shop.gateway, temporal_client)
        client = Client(**(temporal_client.config() | {"interceptors": [reading]}))
        async with open_storefront(client) as storefront:
            checkout_id = (await storefront.buy()).json()["id"]
            await shop.gateway.arrived.wait()
            response = await storefront.get(f"/v1/support/checkouts/{checkout_id}", caller=SUPPORT_KEY)
    story = response.json()
    assert story["status"] == "confirmed"
    assert story["timeline"][-1]["what"] == "confirmed"
