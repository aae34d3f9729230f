"""What support asks for."""

import asyncio
from typing import Any

import httpx

from checkout.domain.errors import ProviderUnavailable
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus
from tests.support.api_process import SUPPORT_KEY, Storefront
from tests.support.scripted_gateway import ScriptedGateway

PLACE = "/v1/support/checkouts"
NOWHERE = f"{PLACE}/chk_aaaaaaaaaaaaaaaaaaaaaaaaaa"
CAPTURED = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
WHY = {"reason": "ticket 4711"}


async def stuck(storefront: Storefront, gateway: ScriptedGateway, **changes: Any) -> str:
    """A checkout whose payment is stuck, and whose provider is still away."""
    gateway.charge_result = gateway.find_result = gateway.void_result = ProviderUnavailable("away")
    response = await storefront.buy(wait=20, **changes)
    assert response.json()["status"] == "payment_stuck"
    return f"{PLACE}/{response.json()['id']}"


async def look(storefront: Storefront, place: str, **parameters: Any) -> httpx.Response:
    query = str(httpx.QueryParams(parameters))
    return await storefront.get(f"{place}?{query}" if query else place, caller=SUPPORT_KEY)


async def act(storefront: Storefront, place: str, body: Any, key: str | None = None) -> httpx.Response:
    return await storefront.post(place, body, caller=SUPPORT_KEY, key=key)


async def ended(storefront: Storefront, place: str) -> dict[str, Any]:
    storefronts_own = place.replace("/support", "")
    response = await storefront.get(storefronts_own, wait=20)
    return dict(response.json())


async def listed(storefront: Storefront, **parameters: Any) -> list[dict[str, Any]]:
    response = await look(storefront, PLACE, **parameters)
    assert response.status_code == 200, response.text
    return list(response.json()["checkouts"])


async def until_listed(storefront: Storefront, count: int, **parameters: Any) -> list[dict[str, Any]]:
    """The visibility store learns of everything a moment later."""
    while len(found := await listed(storefront, **parameters)) != count:
        await asyncio.sleep(0.05)
    return found


async def confirmed(storefront: Storefront, gateway: ScriptedGateway) -> str:
    gateway.charge_result = CAPTURED
    return str((await storefront.buy(wait=20)).json()["id"])
