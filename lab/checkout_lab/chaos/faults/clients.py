"""What clients do: ask twice, ask for something else under the same key, leave, and come in crowds."""

import random

from checkout_lab.chaos.faults.base import Fault, Shoppers
from checkout_lab.chaos.system.system import System

_COPIES = (5, 20)
_BURST = (60, 200)
_BUYERS = (60, 200)


async def storm(_: System, shoppers: Shoppers, rng: random.Random, __: float) -> None:
    """Send one request under one key, many times at once."""
    await shoppers.storm(rng, rng.randint(*_COPIES))


async def other_body(_: System, shoppers: Shoppers, rng: random.Random, __: float) -> None:
    """Send another body under a key that was used."""
    await shoppers.other_body(rng)


async def vanish(_: System, shoppers: Shoppers, rng: random.Random, __: float) -> None:
    """Close the connection in mid-POST, and come back later."""
    await shoppers.vanish(rng)


async def two_keys(_: System, shoppers: Shoppers, rng: random.Random, __: float) -> None:
    """Submit one cart twice at once, under two keys."""
    await shoppers.two_keys(rng)


async def burst(_: System, shoppers: Shoppers, rng: random.Random, __: float) -> None:
    """Start far more checkouts at once than there is capacity for."""
    await shoppers.burst(rng, rng.randint(*_BURST))


async def hot_sku(_: System, shoppers: Shoppers, rng: random.Random, __: float) -> None:
    """Have a crowd buy one article, of which there are few."""
    await shoppers.hot_sku(rng, rng.randint(*_BUYERS))


FAULTS = (
    Fault("client-storm", "client", "the same request under the same key, many times at once", storm),
    Fault("client-other-body", "client", "another body under a key that was used", other_body),
    Fault("client-vanish", "client", "a client is gone in mid-POST, and comes back", vanish),
    Fault("client-two-keys", "client", "one cart is submitted twice at once, under two keys", two_keys),
    Fault("load-burst", "load", "far more checkouts at once than there is capacity for", burst),
    Fault("load-hot-sku", "load", "a crowd buys the same article, of which there are few", hot_sku),
)
