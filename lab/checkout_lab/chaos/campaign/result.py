"""What a campaign came to, as numbers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from checkout_lab.chaos.campaign.recovery import Recovery
from checkout_lab.chaos.checker.books import Violation


@dataclass(frozen=True)
class CampaignResult:
    """The figures. ``capacity`` and ``rate`` are in checkouts a second, ``seconds`` what the whole of it took.

    ``checks`` counts how often "always" was asked with everything in sight. ``kept`` is where the evidence is, empty
    when there is none.
    """

    seed: int
    checkouts: int
    endings: Mapping[str, int]
    faults: Mapping[str, int]
    violations: Sequence[Violation]
    unfinished: Mapping[str, str]
    recoveries: Sequence[Recovery]
    capacity: float
    rate: float
    checks: int
    seconds: float
    kept: str = ""
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was violated and nothing is unfinished."""
        return not self.violations and not self.unfinished

    @property
    def recovery_seconds(self) -> list[float]:
        """One figure for each fault, in ascending order."""
        return sorted(one.seconds for one in self.recoveries for _ in one.names)

    def as_json(self) -> dict[str, Any]:
        """The report for scripts. Every recovery is listed with its faults, every violation with what it is about."""
        seconds = self.recovery_seconds
        return {
            "seed": self.seed,
            "checkouts": self.checkouts,
            "endings": dict(self.endings),
            "faults": dict(self.faults),
            "violations": len(self.violations),
            "unfinished": len(self.unfinished),
            "recovery_seconds": {
                "p50": round(percentile(seconds, 50), 2),
                "p99": round(percentile(seconds, 99), 2),
                "max": round(max(seconds, default=0.0), 2),
            },
            "capacity_per_second": round(self.capacity, 2),
            "rate_per_second": round(self.rate, 2),
            "checks": self.checks,
            "seconds": round(self.seconds, 1),
            "violation_list": [asdict(one) for one in self.violations],
            "unfinished_list": dict(self.unfinished),
            "recovery_list": [asdict(one) | {"seconds": round(one.seconds, 2)} for one in self.recoveries],
            "notes": list(self.notes),
            "kept": self.kept or None,
        }


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    if not ascending:
        return 0.0
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]


def by_fault(recoveries: Sequence[Recovery]) -> dict[str, list[float]]:
    """Each kind of fault with its recoveries in ascending order, seconds."""
    found: dict[str, list[float]] = {}
    for one in recoveries:
        for name in one.names:
            found.setdefault(name, []).append(one.seconds)
    return {name: sorted(found[name]) for name in sorted(found)}


def count(words: Sequence[str]) -> dict[str, int]:
    """How often each word is there, the most frequent first."""
    return dict(Counter(words).most_common())
