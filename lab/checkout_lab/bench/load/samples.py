"""What a piece of measuring yields, and the figures that are made of several."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

#: Processor seconds by role.
Cpu = Mapping[str, float]


@dataclass(frozen=True)
class Sample:
    """One stretch of load: how long each operation took, how long all of it, and what it cost.

    ``drain_seconds`` is how long work that nobody waits for (the provider's events) went on after the last response;
    ``cpu_seconds`` includes it.
    """

    latencies_seconds: Sequence[float]
    elapsed_seconds: float
    drain_seconds: float = 0.0
    cpu_seconds: Cpu = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Operations a second."""
        return len(self.latencies_seconds) / self.elapsed_seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency that this share of the operations did not exceed (nearest rank), in milliseconds."""
        return percentile(self.latencies_seconds, percent) * 1000

    @property
    def cpu_ms(self) -> dict[str, float]:
        """Processor milliseconds an operation, by role."""
        return {role: seconds * 1000 / len(self.latencies_seconds) for role, seconds in self.cpu_seconds.items()}


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that this share of all does not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def latency_figures(samples: Iterable[Sample]) -> dict[str, float]:
    """``p50_ms`` and ``p99_ms``, each the median over the rounds."""
    rounds = list(samples)
    return {f"p{percent}_ms": rounded(median(s.percentile_ms(percent) for s in rounds)) for percent in (50, 99)}


def load_figures(samples: Iterable[Sample]) -> dict[str, float]:
    """``per_second``, ``p50_ms`` and ``p99_ms``, each the median over the rounds."""
    rounds = list(samples)
    return {"per_second": rounded(median(s.per_second for s in rounds))} | latency_figures(rounds)


def cpu_figures(samples: Iterable[Sample]) -> dict[str, float]:
    """Processor milliseconds an operation by role and in ``total``, each the median over the rounds."""
    rounds = [sample.cpu_ms for sample in samples]
    by_role = {role: rounded(median(cost[role] for cost in rounds)) for role in rounds[0]}
    return {role: cost for role, cost in by_role.items() if cost} | {
        "total": rounded(median(sum(cost.values()) for cost in rounds))
    }


def median(values: Iterable[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def rounded(value: float) -> float:
    """Three digits after the point: more would only be noise."""
    return round(value, 3)
