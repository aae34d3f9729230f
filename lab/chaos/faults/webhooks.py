"""Events of the provider that do not come, come twice, late, in any order; and some that it never sent."""

import asyncio
import json
import random
import time
from functools import partial

import httpx

from lab.chaos.faults.base import Fault, Harm, Shoppers
from lab.chaos.faults.provider import misbehave
from lab.chaos.world.world import World
from lab.sandbox.events.webhooks import signature
from lab.stack.secrets import DevSecrets

_COPIES = 8
#: Well beyond what is taken for the time that a delivery may take.
_AGE_SECONDS = 3600
_TYPES = ("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled", "charge.refunded")
#: Those first of which it is not yet known what becomes of them: it is there that a false event does harm.
_PAYMENTS = """
    SELECT checkout_id, provider_reference FROM payments WHERE provider_reference IS NOT NULL
    ORDER BY status IN ('processing', 'unknown', 'pending', 'requires_action') DESC, created_at DESC LIMIT 3
"""


async def forge(world: World, _: Shoppers, rng: random.Random, __: float) -> None:
    """An event that somebody else has signed."""
    await _must_be_refused(world, rng, "whsec_of_somebody_else", int(time.time()))


async def replay_old(world: World, _: Shoppers, rng: random.Random, __: float) -> None:
    """An event that we signed long ago."""
    await _must_be_refused(world, rng, _secret(world), int(time.time()) - _AGE_SECONDS)


async def repeat_at_once(world: World, _: Shoppers, rng: random.Random, __: float) -> None:
    """The same event many times at the same moment; what it says of the payment may be false, or too early."""
    body = await _event(world, rng)
    answers = await asyncio.gather(*(_post(world, body, _secret(world), int(time.time())) for _ in range(_COPIES)))
    if any(answer and answer.is_success for answer in answers):
        world.taken_events.add(json.loads(body)["id"])


async def _must_be_refused(world: World, rng: random.Random, secret: str, signed_at: int) -> None:
    body = await _event(world, rng)
    answer = await _post(world, body, secret, signed_at)
    if answer and answer.is_success:
        raise Harm(f"an event that is not genuine was taken: {body}")


async def _event(world: World, rng: random.Random) -> str:
    """One about a payment of late, as Stripe writes it; about nobody's while there is none."""
    await world.up("postgres")
    async with world.rival.session() as session:
        payments = list(await (await session.execute(_PAYMENTS)).fetchall())
    checkout_id, intent = rng.choice(payments) if payments else (None, "pi_nobodys")
    kind = rng.choice(_TYPES)
    payment = {"id": intent, "object": "payment_intent", "metadata": {"checkout_id": checkout_id}}
    if not kind.startswith("payment_intent."):
        payment = {"id": "ch_1", "object": "charge", "payment_intent": intent, "metadata": payment["metadata"]}
    event = {"id": f"evt_chaos{rng.getrandbits(64):x}", "object": "event", "type": kind, "created": int(time.time())}
    return json.dumps(event | {"data": {"object": payment}})


async def _post(world: World, body: str, secret: str, signed_at: int) -> httpx.Response | None:
    """The API's answer; None when there was none."""
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature(secret, body, signed_at)}
    async with httpx.AsyncClient(base_url=world.info.api_url, trust_env=False, timeout=10) as client:
        try:
            return await client.post("/v1/webhooks/stripe", content=body, headers=headers)
        except httpx.TransportError:
            world.note("the API did not answer an event of ours")
            return None


def _secret(world: World) -> str:
    return DevSecrets.load_or_make(world.directory / "secrets.json").webhook_secret


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
