"""Calls of the sandbox provider's API, as a shop makes them, and of its dashboard, as people and banks do."""

import uuid
from typing import Any

import httpx

Json = dict[str, Any]

PAID = {"amount": 2580, "currency": "eur", "confirm": "true", "payment_method": "pm_card_visa"}


def new_key() -> str:
    return uuid.uuid4().hex


async def post(http: httpx.AsyncClient, path: str, key: str | None = None, **params: Any) -> httpx.Response:
    return await http.post(f"/v1/{path}", data=params, headers={"Idempotency-Key": key or new_key()})


async def create(http: httpx.AsyncClient, key: str | None = None, **changes: Any) -> httpx.Response:
    return await post(http, "payment_intents", key, **(PAID | changes))


async def paid(http: httpx.AsyncClient, method: str = "pm_card_visa") -> str:
    """The id of an intent that took the money."""
    intent = (await create(http, payment_method=method)).json()
    assert intent["status"] == "succeeded"
    return str(intent["id"])


async def charge_of(http: httpx.AsyncClient, intent_id: str) -> Json:
    response = await http.get(f"/v1/payment_intents/{intent_id}", params={"expand[]": "latest_charge"})
    charge: Json = response.json()["latest_charge"]
    return charge


async def listed(http: httpx.AsyncClient, path: str, **filters: Any) -> list[Json]:
    response = await http.get(f"/v1/{path}", params=filters)
    response.raise_for_status()
    data: list[Json] = response.json()["data"]
    return data


async def told_of(http: httpx.AsyncClient, intent_id: str) -> list[str]:
    """The types of the events about an intent and what was made of it, oldest first."""
    events = await listed(http, "events", limit=100)
    things = [(event["type"], event["data"]["object"]) for event in reversed(events)]
    return [kind for kind, thing in things if intent_id in (thing["id"], thing.get("payment_intent"))]


async def act(http: httpx.AsyncClient, what: str, **body: Any) -> httpx.Response:
    """What a person or a bank does."""
    return await http.post(f"/sandbox/dashboard/{what}", json=body)


def error(response: httpx.Response) -> Json:
    found: Json = response.json()["error"]
    return found
