"""How many checkouts may be under way: as many as are at rest again within the time that a customer may wait.

The shop's speed is measured, not configured. By Little's law, a checkout that found n before it and took w seconds has
seen n + 1 come to rest meanwhile: one in w / (n + 1) seconds. The seconds that a checkout may take, divided by the
average of that, are the room.
Each API judges by the checkouts that it started itself, so several need to know nothing of each other: each measures
its own part of the shop's speed, and the parts add up.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from api.admission.demand import Demand

#: So many may always be under way: fewer would leave the shop idle between two steps, and nothing could be measured.
LEAST: Final = 32
#: And never more than this, however fast they come to rest.
MOST: Final = 5_000
#: How long the shop is thought to take for one before anything was measured.
_SECONDS_EACH_AT_FIRST: Final = 1 / 16
#: How much the latest measurement counts, and how many times longer or shorter than the average it may count as: a
#: single checkout that a bank or a person held up says little of the shop; many do.
_NEWEST, _FACTOR = 0.1, 2.0
#: From here on, one caller cannot take what room is left.
_CROWDED: Final = 0.8
#: An article is in a rush when it is asked for faster than the shop can sell anything at all. While others are asked
#: for, everything that is in a rush gets this part of what the shop does.
_RUSH_PART: Final = 1 / 3
#: A few buyers are no rush, however slow the shop is.
_RUSH_LEAST_PER_SECOND: Final = 8.0
#: Fewer a second than this are nobody.
_NOBODY_PER_SECOND: Final = 0.1
LONGEST_RETRY_AFTER_SECONDS: Final = 60
_ALL: Final = ""


class Shortage(Enum):
    """Why there is no room."""

    #: As much is under way as can be finished in time.
    FULL = auto()
    #: Nearly so, and most of it is this caller's.
    MORE_THAN_A_SHARE = auto()
    #: One of the articles is in such demand that it would keep the others waiting.
    RUSH = auto()


class NoRoom(Exception):
    """A checkout that is refused: why, and after how many seconds it may be tried again."""

    def __init__(self, shortage: Shortage, retry_after_seconds: int) -> None:
        super().__init__(shortage.name)
        self.shortage = shortage
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Place:
    """One checkout's place in the room."""

    caller: str
    ahead: int
    taken_at: float


class Room:
    """The checkouts of this process that are under way. ``clock`` is monotonic, in seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._callers: Counter[str] = Counter()
        self._in_rush: set[str] = set()
        self._wanted = Demand(clock, memory_seconds=1)
        self._rushed = Demand(clock, memory_seconds=1)
        self._asked = Demand(clock, memory_seconds=5)
        self._seconds_each = _SECONDS_EACH_AT_FIRST

    @property
    def under_way(self) -> int:
        """How many are under way."""
        return self._callers.total()

    @property
    def limit(self) -> int:
        """How many may be."""
        return min(max(LEAST, math.floor(self._per_second * self._seconds)), MOST)

    @property
    def _per_second(self) -> float:
        """How many come to rest in a second when there is enough to do."""
        return 1 / self._seconds_each

    def refuse_if_full(self, caller: str) -> None:
        """Refuse a caller when the room is full, before their body is read.

        Raises:
            NoRoom: the room is full, or nearly, and most of it is this caller's.
        """
        self._asked.note(_ALL)
        if self.under_way >= self.limit:
            raise self._refusal(Shortage.FULL)
        share = self.limit / len(self._callers.keys() | {caller})
        if len(self._callers) > 1 and self.under_way >= _CROWDED * self.limit and self._callers[caller] >= share:
            raise self._refusal(Shortage.MORE_THAN_A_SHARE)

    def refuse_rush(self, articles: Collection[str]) -> None:
        """Refuse a checkout of one of these articles (SKUs) while everybody wants it.

        Raises:
            NoRoom: one of them is in such demand that it would keep the others waiting.
        """
        for name in {_ALL, *articles}:
            self._wanted.note(name)
        self._in_rush = {each for each in {*self._in_rush, *articles} if self._is_in_rush(each)}
        if self._in_rush.isdisjoint(articles):
            return
        if self._others_are_wanted() and self._rushed.per_second(_ALL) >= self._per_second * _RUSH_PART:
            raise self._refusal(Shortage.RUSH)
        self._rushed.note(_ALL)

    def take(self, caller: str) -> Place:
        """A place for a checkout, which has to be given back with `leave`."""
        place = Place(caller, self.under_way, self._clock())
        self._callers[caller] += 1
        return place

    def leave(self, place: Place, *, is_at_rest: bool = False) -> None:
        """Give the place back; one whose checkout came to rest tells how fast the shop is."""
        self._callers[place.caller] -= 1
        if not self._callers[place.caller]:
            del self._callers[place.caller]
        if is_at_rest:
            measured, before = (self._clock() - place.taken_at) / (place.ahead + 1), self._seconds_each
            self._seconds_each += _NEWEST * (min(max(before / _FACTOR, measured), before * _FACTOR) - before)

    def _is_in_rush(self, article: str) -> bool:
        """Whether it is asked for faster than anything can be sold; and then until it is asked for no faster than it
        is sold in a rush, or the end of each rush would be the beginning of the next.
        """
        enough = max(self._per_second, _RUSH_LEAST_PER_SECOND)
        return self._wanted.per_second(article) > (enough * _RUSH_PART if article in self._in_rush else enough)

    def _others_are_wanted(self) -> bool:
        """Whether anybody would be kept waiting by those who want what is in a rush."""
        rushing = sum(map(self._wanted.per_second, self._in_rush))
        return self._wanted.per_second(_ALL) - rushing > _NOBODY_PER_SECOND

    def _refusal(self, shortage: Shortage) -> NoRoom:
        """Each with another time to come back, by chance, so that they do not all come back at once."""
        pressure = self._asked.per_second(_ALL) / self._per_second
        at_most = min(math.ceil(2 * max(1.0, pressure)), LONGEST_RETRY_AFTER_SECONDS)
        seconds = random.randint(1, at_most)  # noqa: S311 - nobody gains by guessing it
        return NoRoom(shortage, seconds)
