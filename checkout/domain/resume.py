"""What one run of a checkout's workflow hands to the next when it continues as new.

It is a part of the workflow's input, and bounded, however long the checkout has waited: Temporal refuses an input of
2 MB.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final

from checkout.domain.states import CheckoutStatus
from checkout.domain.view import CheckoutView, TimelineEntry, TimelineKind

#: A timeline of so many entries is kept whole; of a longer one the first and the last, half of them each.
MAX_TIMELINE: Final = 600
#: And never more than this, where people have written long reasons.
MAX_TIMELINE_BYTES: Final = 400_000
#: So many ids are remembered, the newest. An update that is sent again is sent again within minutes, an event within
#: days; and an event that is taken for a new one is one more look.
MAX_UPDATES: Final = 500
MAX_EVENTS: Final = 1_000


@dataclass(frozen=True)
class PaymentPosition:
    """Where the payment stands while it waits; the view says for whom. Times are Unix times in seconds.

    ``pause_seconds`` is the pause between two looks that is under way, and ``looks_at`` its end. ``closes_at`` is when
    the customer's time is over. ``next_method`` is what the customer has asked to pay with, once the present attempt is
    settled. ``uncounted_attempts`` are those that the provider gave up by itself.
    """

    attempt: int
    payment_method: str
    pause_seconds: float = 0
    looks_at: float = 0
    closes_at: float = 0
    next_method: str | None = None
    uncounted_attempts: int = 0


@dataclass(frozen=True)
class CompletedUpdate:
    """What was commanded under an update's id, as a digest, and the error by which it was refused, if it was."""

    digest: str
    error_type: str | None = None
    error: str = ""


@dataclass(frozen=True)
class Resume:
    """Everything that a run needs to go on where the one before it stood.

    ``begun`` names the steps that have to be undone if it comes to that; ``seen_events`` are ids of the provider's.
    """

    view: CheckoutView
    status_before: CheckoutStatus
    begun: tuple[str, ...]
    payment: PaymentPosition
    timeline: tuple[TimelineEntry, ...] = ()
    seen_events: tuple[str, ...] = ()
    completed_updates: Mapping[str, CompletedUpdate] = field(default_factory=dict)


def digest_of(command: Any) -> str:
    """What a command (a frozen dataclass) asks for, in 32 characters: the same for equal ones of the same class."""
    asked = json.dumps([type(command).__name__, asdict(command)], sort_keys=True)
    return sha256(asked.encode()).hexdigest()[:32]


def bounded_timeline(entries: list[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """The timeline, without its middle when it is too long to be handed on."""
    kept = tuple(entries)
    if len(kept) > MAX_TIMELINE:
        kept = _without_middle(kept, MAX_TIMELINE)
    while _size_bytes(kept) > MAX_TIMELINE_BYTES and len(kept) > 3:
        kept = _without_middle(kept, len(kept) // 2)
    return kept


def _without_middle(entries: tuple[TimelineEntry, ...], at_most: int) -> tuple[TimelineEntry, ...]:
    half = max(1, (at_most - 1) // 2)
    first, last = entries[:half], entries[len(entries) - half :]
    left_out = TimelineEntry(
        last[0].at, TimelineKind.STEP, "entries are left out here; earlier runs in the Temporal UI have them"
    )
    return (*first, left_out, *last)


def _size_bytes(entries: tuple[TimelineEntry, ...]) -> int:
    # As Temporal's converter writes it, which escapes everything but ASCII.
    return len(json.dumps([asdict(entry) for entry in entries]))
