"""Events of the provider that do not come, come twice, late, in any order; and some that it never sent."""

import asyncio
import json
import random
import time
from functools import partial

import httpx

from checkout_lab.chaos.faults.base import Fault, ForbiddenResponse, Shoppers
from checkout_lab.chaos.faults.provider import misbehave
from checkout_lab.chaos.system.system import System
from checkout_lab.sandbox.events.webhooks import signature
from checkout_lab.stack.secrets import DevSecrets

_COPIES = 8
#: Well beyond what is taken for the time that a delivery may take.
_AGE_SECONDS = 3600
_TYPES = ("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled", "charge.refunded")
#: Those first of which it is not yet known what becomes of them: it is there that a false event does harm.
_PAYMENTS = """
    SELECT checkout_id, provider_reference FROM payments WHERE provider_reference IS NOT NULL
    ORDER BY status IN ('processing', 'unknown', 'pending', 'requires_action') DESC, created_at DESC LIMIT 3
"""


async def forge(system: System, _: Shoppers, rng: random.Random, __: float) -> None:
    """Send an event that somebody else has signed."""
    await _must_be_refused(system, rng, "whsec_of_somebody_else", int(time.time()))


async def replay_old(system: System, _: Shoppers, rng: random.Random, __: float) -> None:
    """Send an event that was signed an hour ago."""
    await _must_be_refused(system, rng, _secret(system), int(time.time()) - _AGE_SECONDS)


async def repeat_at_once(system: System, _: Shoppers, rng: random.Random, __: float) -> None:
    """The same event many times at the same moment; what it says of the payment may be false, or too early."""
    body = await _event(system, rng)
    responses = await asyncio.gather(*(_post(system, body, _secret(system), int(time.time())) for _ in range(_COPIES)))
    if any(response and response.is_success for response in responses):
        system.taken_events.add(json.loads(body)["id"])


async def _must_be_refused(system: System, rng: random.Random, secret: str, signed_at: int) -> None:
    body = await _event(system, rng)
    response = await _post(system, body, secret, signed_at)
    if response and response.is_success:
        raise ForbiddenResponse(f"an event that is not genuine was taken: {body}")


async def _event(system: System, rng: random.Random) -> str:
    """One about a payment of late, as Stripe writes it; about nobody's while there is none."""
    await system.up("postgres")
    async with system.rival.session() as session:
        payments = list(await (await session.execute(_PAYMENTS)).fetchall())
    checkout_id, intent = rng.choice(payments) if payments else (None, "pi_nobodys")
    kind = rng.choice(_TYPES)
    payment = {"id": intent, "object": "payment_intent", "metadata": {"checkout_id": checkout_id}}
    if not kind.startswith("payment_intent."):
        payment = {"id": "ch_1", "object": "charge", "payment_intent": intent, "metadata": payment["metadata"]}
    event = {"id": f"evt_chaos{rng.getrandbits(64):x}", "object": "event", "type": kind, "created": int(time.time())}
    return json.dumps(event | {"data": {"object": payment}})


async def _post(system: System, body: str, secret: str, signed_at: int) -> httpx.Response | None:
    """The API's response; None when there was none."""
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature(secret, body, signed_at)}
    async with httpx.AsyncClient(base_url=system.info.api_url, trust_env=False, timeout=10) as client:
        try:
            return await client.post("/v1/webhooks/stripe", content=body, headers=headers)
        except httpx.TransportError:
            system.note("the API gave no response to an event of the campaign")
            return None


def _secret(system: System) -> str:
    return DevSecrets.load_or_make(system.directory / "secrets.json").webhook_secret


FAULTS = (
    Fault("webhooks-off", "webhooks", "no event comes", partial(misbehave, {"webhooks": "off"}), (3, 12)),
    Fault(
        "webhooks-duplicate",
        "webhooks",
        "every event comes twice",
        partial(misbehave, {"webhooks": "duplicate"}),
        (3, 8),
    ),
    Fault(
        "webhooks-shuffle",
        "webhooks",
        "events come late and in any order",
        partial(misbehave, {"webhooks": "shuffle"}),
        (3, 8),
    ),
    Fault(
        "webhooks-concurrent", "webhooks", "one event, perhaps a false one, comes eight times at once", repeat_at_once
    ),
    Fault("webhooks-forged", "webhooks", "an event comes that the provider did not sign", forge),
    Fault("webhooks-stale", "webhooks", "an event comes that was signed an hour ago", replay_old),
)
