"""How much is asked for: events a second of each name, where old events count for less and less."""

import math
from collections.abc import Callable
from typing import Final

#: More names than this are not kept: what is asked for least is forgotten. The names are the callers'.
MAX_NAMES: Final = 5_000


class Demand:
    """Events a second, by name, each remembered for ``memory_seconds`` on the average.

    ``clock`` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float], memory_seconds: float) -> None:
        self._clock = clock
        self._memory_seconds = memory_seconds
        self._rates: dict[str, tuple[float, float]] = {}

    def note(self, name: str) -> None:
        """One event more."""
        self._rates[name] = (self.per_second(name) + 1 / self._memory_seconds, self._clock())
        if len(self._rates) > MAX_NAMES:
            self._forget()

    def per_second(self, name: str) -> float:
        """How often it happens these days; a burst of n on a quiet day counts as n in the memory's seconds."""
        rate, noted_at = self._rates.get(name, (0.0, 0.0))
        return rate * math.exp((noted_at - self._clock()) / self._memory_seconds)

    def _forget(self) -> None:
        rarest = sorted(self._rates, key=self.per_second)[: MAX_NAMES // 2]
        for name in rarest:
            del self._rates[name]
