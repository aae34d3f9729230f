"""Requests for a checkout, good and bad."""

import json
from typing import Any

import httpx

from tests.support.api_process import STOREFRONT_KEY

AUTHORIZED = {"Authorization": f"Bearer {STOREFRONT_KEY}"}
GOOD_HEADERS = {**AUTHORIZED, "Idempotency-Key": "k", "Content-Type": "application/json"}
GOOD: dict[str, Any] = {
    "customer_id": "cus_42",
    "currency": "EUR",
    "lines": [{"sku": "MUG-WHITE", "quantity": 2}],
    "payment_method": "pm_card_visa",
}
Headers = dict[str, str] | list[tuple[str, str]]


async def post(client: httpx.AsyncClient, content: Any, headers: Headers = GOOD_HEADERS) -> httpx.Response:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = await client.post("/v1/checkouts", content=raw, headers=headers)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["instance"].startswith("urn:uuid:")
    return response


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GOOD_HEADERS.items() if key != name}
