"""Every process is killed while checkouts are under way, and all of them end right: the provider's ledger is the judge."""

import asyncio
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from checkout.config import DatabaseSettings
from checkout.db.session import create_engine
from tests.e2e.dev_process import ROLES, DevProcess, checkout_dev, temporary_directory
from tests.invariants import violations

METHODS = (
    "pm_card_visa",
    "pm_card_visa_chargeDeclined",
    "pm_sandbox_lost_response",
    "pm_sandbox_error_after_charge",
    "pm_sandbox_flaky",
)
FINAL = {"confirmed", "cancelled", "rejected"}


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[DevProcess]:
    environment = {"CHECKOUT_PROVIDER_TIMEOUT_SECONDS": "2"}
    async with (
        temporary_directory() as directory,
        checkout_dev(directory, "--ephemeral", environment=environment) as dev,
    ):
        async with httpx.AsyncClient(base_url=dev.info["sandbox_url"]) as sandbox:
            # Slow enough that a kill finds checkouts in the middle of everything.
            (await sandbox.post("/sandbox/faults", json={"latency_ms": 150})).raise_for_status()
        yield dev


async def _start(client: httpx.AsyncClient, method: str) -> dict[str, Any]:
    """Ask with one key until the checkout is accepted, as a storefront would."""
    body = {
        "customer_id": "cus_42",
        "currency": "EUR",
        "lines": [{"sku": "MUG-WHITE", "quantity": 1}, {"sku": "MUG-BLACK", "quantity": 2}],
        "payment_method": method,
    }
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    while True:
        with suppress(httpx.TransportError):
            answer = await client.post("/v1/checkouts", json=body, headers=headers)
            if answer.status_code == 202:
                return dict(answer.json())
            assert answer.status_code in (429, 503), answer.text
        await asyncio.sleep(0.1)


async def _end(client: httpx.AsyncClient, checkout_id: str) -> dict[str, Any]:
    while True:
        with suppress(httpx.TransportError):
            answer = await client.get(f"/v1/checkouts/{checkout_id}", headers={"Prefer": "wait=10"})
            if answer.status_code == 200 and answer.json()["status"] in FINAL:
                return dict(answer.json())
            assert answer.status_code in (200, 429, 503), answer.text
        await asyncio.sleep(0.2)


def _pid(dev: DevProcess, role: str) -> int:
    """Of the process as it is now: the log tells of every restart."""
    restarts = re.findall(rf"{role} died .*restarted as pid (\d+)", dev.log_text())
    return int(restarts[-1]) if restarts else dev.pids[role]


@pytest.mark.parametrize("role", ROLES)
async def test_killed_in_the_middle_of_checkouts_all_of_them_end_right(stack: DevProcess, role: str) -> None:
    headers = {"Authorization": f"Bearer {stack.info['storefront_key']}"}
    async with httpx.AsyncClient(base_url=stack.info["api_url"], headers=headers, timeout=15) as client:
        starts = [asyncio.create_task(_start(client, METHODS[n % len(METHODS)])) for n in range(20)]
        await asyncio.wait(starts, return_when=asyncio.FIRST_COMPLETED)
        os.kill(_pid(stack, role), signal.SIGKILL)
        ids = [view["id"] for view in await asyncio.gather(*starts)]
        views = await asyncio.gather(*(_end(client, checkout_id) for checkout_id in ids))
    expected = ["cancelled" if n % len(METHODS) == 1 else "confirmed" for n in range(20)]
    assert [view["status"] for view in views] == expected
    await _everything_agrees(stack, views)


async def _everything_agrees(stack: DevProcess, views: list[dict[str, Any]]) -> None:
    engine = create_engine(DatabaseSettings(url=SecretStr(stack.info["database_url"])))
    assert await violations(engine) == []
    await engine.dispose()
    async with httpx.AsyncClient(base_url=stack.info["sandbox_url"]) as sandbox:
        ledger = (await sandbox.get("/sandbox/ledger")).json()
    for view in views:
        intents = [i for i in ledger["intents"] if i["metadata"].get("checkout_id") == view["id"]]
        taken = sum(intent["amount_received"] for intent in intents)
        given_back = sum(r["amount"] for r in ledger["refunds"] if r["payment_intent"] in {i["id"] for i in intents})
        assert taken - given_back == (view["total_minor"] if view["status"] == "confirmed" else 0), view
