"""Which faults, when they come together, and for how long: drawn from a seed and from nothing else."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from checkout_lab.chaos.faults.catalogue import FAULTS

#: How often a turn has two faults.
_PAIRS = 0.25


@dataclass(frozen=True)
class PlannedFault:
    """One fault of a schedule.

    ``number`` counts the turns from 1: faults of the same turn are made at once, and the turns one after another.
    ``name`` is a key of `checkout_lab.chaos.faults.catalogue.FAULTS`, ``seconds`` how long it is kept up, ``seed`` what
    its own random generator starts from.
    """

    number: int
    name: str
    seconds: float
    seed: int


def plan(seed: int, faults: int, names: Sequence[str] | None = None) -> list[PlannedFault]:
    """A schedule of ``faults`` faults in all, out of those named, or out of all.

    Each kind comes once before any comes again. Sometimes two share a turn; they then come from different places.

    Raises:
        ValueError: a name is unknown, or there is none; the text lists those that there are.
    """
    rng = random.Random(seed)  # noqa: S311 - the same seed has to give the same schedule
    kinds = _known(names)
    drawn: list[PlannedFault] = []
    bag: list[str] = []
    number = 0
    while len(drawn) < faults:
        bag = bag or rng.sample(kinds, len(kinds))
        number += 1
        turn = [bag.pop()]
        if len(drawn) + 1 < faults and rng.random() < _PAIRS and (other := _from_elsewhere(turn[0], bag)):
            bag.remove(other)
            turn.append(other)
        drawn += [_planned(rng, number, name) for name in turn]
    return drawn


def _known(names: Sequence[str] | None) -> list[str]:
    unknown = [name for name in names or () if name not in FAULTS]
    if unknown or (names is not None and not names):
        raise ValueError(f"no such fault: {', '.join(unknown) or 'none was named'}; there are {', '.join(FAULTS)}")
    # In an order of its own, whatever order they were named in, and each once.
    return sorted(set(names or FAULTS))


def _from_elsewhere(name: str, bag: Sequence[str]) -> str | None:
    return next((other for other in reversed(bag) if FAULTS[other].where != FAULTS[name].where), None)


def _planned(rng: random.Random, number: int, name: str) -> PlannedFault:
    return PlannedFault(number, name, round(rng.uniform(*FAULTS[name].seconds), 2), rng.getrandbits(32))
