"""What a fault is, and what the faults that clients make need of the load."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from checkout_lab.chaos.system.system import System

Place = Literal[
    "worker", "workflow", "temporal", "postgres", "provider", "webhooks", "api", "client", "network", "load"
]


class ForbiddenResponse(Exception):
    """The product did at once what it must never do, such as believing a forged event. It counts as a violation."""


class Shoppers(Protocol):
    """The load, as far as a fault can ask something of it. Each method returns when its requests have ended."""

    def recent_ids(self, n: int) -> list[str]:
        """Ids of up to ``n`` checkouts that were accepted and have not ended as far as the load knows, newest first."""

    async def storm(self, rng: random.Random, copies: int) -> None:
        """The same request under the same key, ``copies`` times at once: one checkout."""

    async def other_body(self, rng: random.Random) -> None:
        """A key that was used already, with another body: refused with 422."""

    async def vanish(self, rng: random.Random) -> None:
        """A client that is gone in the middle of its POST, and comes back later with the same key."""

    async def two_keys(self, rng: random.Random) -> None:
        """One cart submitted twice at once, under two keys: at most one order."""

    async def burst(self, rng: random.Random, n: int) -> None:
        """``n`` checkouts at once, far more than capacity; whatever is accepted has to end right."""

    async def hot_sku(self, rng: random.Random, buyers: int) -> None:
        """``buyers`` at once who all want the same article, of which there are few."""


#: Makes the fault, keeps it up for so many seconds, and undoes it before it returns or is cancelled; the processes may
#: still be on their way up then. Raises `ForbiddenResponse` when the product must not respond as it does.
Inject = Callable[[System, Shoppers, random.Random, float], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    ``name`` is in kebab case. ``where`` is the place; two faults at once come from different places. ``what`` is a
    sentence for the report. ``seconds`` are the shortest and the longest time that it may be kept up, both 0 for what
    happens in a moment.
    """

    name: str
    where: Place
    what: str
    inject: Inject
    seconds: tuple[float, float] = (0.0, 0.0)
