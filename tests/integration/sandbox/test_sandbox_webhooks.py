"""The sandbox provider's events: signed as Stripe's, kept until taken; and the page where a person decides."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from checkout_lab.stack.processes.ports import claim_free_port
from tests.support.sandbox_server import SandboxServer, sandbox_server

SECRET = "whsec_of_this_test"
PAID = {"amount": 2580, "currency": "eur", "confirm": "true", "payment_method": "pm_card_visa"}


class WebhookReceiver:
    """Takes events, or refuses them; every one that arrives has its signature checked by the official package."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refused = 0
        self.status = 200
        self._changed = asyncio.Condition()

    async def hook(self, request: Request) -> Response:
        body = await request.body()
        stripe.Webhook.construct_event(body, request.headers["stripe-signature"], SECRET)
        async with self._changed:
            if self.status == 200:
                self.taken.append(json.loads(body))
            else:
                self.refused += 1
            self._changed.notify_all()
        return Response(status_code=self.status)

    async def until(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many events were taken."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.taken) >= count)
        return self.taken

    async def until_refused(self, count: int) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: self.refused >= count)


@pytest.fixture
async def shop() -> WebhookReceiver:
    return WebhookReceiver()


@pytest.fixture
async def sandbox(shop: WebhookReceiver, tmp_path: Path) -> AsyncIterator[SandboxServer]:
    with claim_free_port() as claim:
        app = Starlette(routes=[Route("/hook", shop.hook, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, port=claim.port, log_config=None, ws="none", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        settings = {
            "CHECKOUT_SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{claim.port}/hook",
            "CHECKOUT_SANDBOX_WEBHOOK_SECRET": SECRET,
        }
        async with sandbox_server(tmp_path, **settings) as sandbox:
            yield sandbox
        server.should_exit = True
        await serving


async def create(sandbox: SandboxServer, **changes: Any) -> dict[str, Any]:
    response: dict[str, Any] = (await sandbox.http.post("/v1/payment_intents", data=PAID | changes)).json()
    return response


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


async def test_every_turn_of_a_payment_is_told_and_signed(sandbox: SandboxServer, shop: WebhookReceiver) -> None:
    paid = await create(sandbox)
    await sandbox.http.post("/v1/refunds", data={"payment_intent": paid["id"]})
    await create(sandbox, payment_method="pm_card_visa_chargeDeclined")
    idle = await create(sandbox, confirm="false")
    await sandbox.http.post(f"/v1/payment_intents/{idle['id']}/cancel")
    await create(sandbox, payment_method="pm_card_authenticationRequired")
    await create(sandbox, payment_method="pm_sandbox_processing")
    events = await shop.until(8)
    assert (
        Counter(kinds(events))
        == {
            "payment_intent.succeeded": 2,
            "refund.created": 1,
            "charge.refunded": 1,
            "payment_intent.payment_failed": 1,
            "payment_intent.canceled": 1,
            "payment_intent.requires_action": 1,
            "payment_intent.processing": 1,
        }
        or len(events) < 8
    )
    first = next(it for it in events if it["data"]["object"]["id"] == paid["id"])
    assert first["data"]["object"] == paid
    assert first["object"] == "event"
    refunded = next(it for it in events if it["type"] == "charge.refunded")["data"]["object"]
    assert (refunded["amount_refunded"], refunded["payment_intent"]) == (2580, paid["id"])


async def test_a_refused_event_comes_again_even_after_a_kill(sandbox: SandboxServer, shop: WebhookReceiver) -> None:
    shop.status = 503
    await create(sandbox)
    await shop.until_refused(1)
    await sandbox.kill_and_restart()
    shop.status = 200
    assert kinds(await shop.until(1)) == ["payment_intent.succeeded"]


async def test_events_that_are_off_are_held_back(sandbox: SandboxServer, shop: WebhookReceiver) -> None:
    await sandbox.set_faults(webhooks="off")
    intent = await create(sandbox)
    assert shop.taken == []
    await sandbox.set_faults(webhooks="normal")
    events = await shop.until(1)
    assert events[0]["data"]["object"]["id"] == intent["id"]


async def test_duplicates_carry_the_same_id(sandbox: SandboxServer, shop: WebhookReceiver) -> None:
    await sandbox.set_faults(webhooks="duplicate")
    await create(sandbox)
    first, second = await shop.until(2)
    assert first == second


async def test_shuffled_events_all_come(sandbox: SandboxServer, shop: WebhookReceiver) -> None:
    await sandbox.set_faults(webhooks="shuffle")
    made = [(await create(sandbox))["id"] for _ in range(12)]
    told = [event["data"]["object"]["id"] for event in await shop.until(12)]
    assert sorted(told) == sorted(made)
    assert told != made


@pytest.mark.parametrize(("outcome", "status"), [("approve", "succeeded"), ("fail", "requires_payment_method")])
async def test_a_person_decides_on_the_page(sandbox: SandboxServer, outcome: str, status: str) -> None:
    script = "<script>alert(1)</script>"
    intent = await create(sandbox, payment_method="pm_card_authenticationRequired", description=script)
    page = await sandbox.http.get(f"/sandbox/authenticate/{intent['id']}")
    assert page.status_code == 200
    assert f"/sandbox/authenticate/{intent['id']}/{outcome}" in page.text
    assert script not in page.text
    decided = await sandbox.http.post(f"/sandbox/authenticate/{intent['id']}/{outcome}")
    assert decided.status_code == 200
    now = (await sandbox.http.get(f"/v1/payment_intents/{intent['id']}")).json()
    assert (now["status"], now["next_action"]) == (status, None)
    assert (await sandbox.http.post(f"/sandbox/authenticate/{intent['id']}/approve")).status_code == 409


async def test_the_person_is_sent_back_to_the_shop(sandbox: SandboxServer) -> None:
    back = "https://shop.example/thanks"
    intent = await create(sandbox, payment_method="pm_card_authenticationRequired", return_url=back)
    page = await sandbox.http.get(intent["next_action"]["redirect_to_url"]["url"])
    assert f"/sandbox/authenticate/{intent['id']}/approve" in page.text
    decided = await sandbox.http.post(f"/sandbox/authenticate/{intent['id']}/approve")
    assert (decided.status_code, decided.headers["location"]) == (303, back)
    assert (await sandbox.http.get("/sandbox/authenticate/pi_none")).status_code == 404


async def test_what_happens_by_itself_is_told_without_being_asked_for(
    sandbox: SandboxServer, shop: WebhookReceiver
) -> None:
    intent = await create(sandbox, payment_method="pm_sandbox_refund_fails")
    await sandbox.http.post("/v1/refunds", data={"payment_intent": intent["id"]})
    events = await shop.until(6)
    by_itself = ("refund.failed", "refund.updated", "charge.refund.updated")
    assert sorted(kinds(events)) == sorted(
        ("payment_intent.succeeded", "refund.created", "charge.refunded", *by_itself)
    )
    failed = next(it for it in events if it["type"] == "refund.failed")["data"]["object"]
    assert (failed["status"], failed["payment_intent"]) == ("failed", intent["id"])


async def test_what_a_bank_does_is_told(sandbox: SandboxServer, shop: WebhookReceiver) -> None:
    intent = await create(sandbox)
    for what in ("fraud-warning", "dispute"):
        await sandbox.http.post(f"/sandbox/dashboard/{what}", json={"payment_intent": intent["id"]})
    events = await shop.until(4)
    assert {"radar.early_fraud_warning.created", "charge.dispute.created", "charge.dispute.funds_withdrawn"} < set(
        kinds(events)
    )
    assert {event["data"]["object"].get("payment_intent", intent["id"]) for event in events} == {intent["id"]}
