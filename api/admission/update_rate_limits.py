"""Rate limits of updates, so that a client that repeats itself in a loop costs Temporal and the workers little.

Each action of one caller on one checkout has a limit of its own: no caller is limited by what another does, and no
action by another of the same caller. Each process counts by itself and forgets when it ends; this protects from load,
and from nothing else.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from api.http.idempotency import UpdateKey
from api.http.problems import REFUSED_TOO_OFTEN, TOO_MANY_AT_ONCE, Problem

#: So many refusals within so many seconds are a loop: no person repeats an action twice a second for ten seconds.
MOST_REFUSALS: Final = 20
WITHIN_SECONDS: Final = 10.0
#: A client in a loop still gets one update a second through, so one that has become valid waits no longer than that.
PAUSE_SECONDS: Final = 1.0
#: Temporal accepts ten updates of a workflow at once. One action may have this many, so that two in a loop (paying and
#: cancelling, a retry and a cancel) leave some for others.
MOST_AT_ONCE: Final = 4
#: So many actions are remembered, the latest. Each takes about a kilobyte.
MOST_ACTIONS: Final = 10_000


@dataclass(frozen=True)
class LimitedAction:
    """An action, such as ``payment``, of one caller (by the name of the key) on one checkout: what has a limit."""

    caller: str
    action: str
    checkout_id: str


@dataclass
class _Counters:
    #: When the latest updates were refused.
    refused_at: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_REFUSALS))
    #: When the latest update was let through although there had been too many.
    tried_at: float = float("-inf")
    #: How many requests wait for a response, by the id of their update: those of one id are one update.
    waiting: Counter[str] = field(default_factory=Counter)


class UpdateRateLimiter:
    """The limits of one process. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counters: OrderedDict[LimitedAction, _Counters] = OrderedDict()

    @asynccontextmanager
    async def limited(self, action: LimitedAction, key: UpdateKey) -> AsyncIterator[None]:
        """Let the update through, and remember whether it was refused (by a problem of status 409).

        Raises:
            Problem: 429 when the action was just refused too often, or has too many updates in progress.
        """
        counters = self._counters.get(action) or _Counters()
        self._refuse_loop(counters)
        _refuse_crowd(counters, key)
        counters.waiting[key.update_id] += 1
        self._remember(action, counters)
        try:
            yield
        except Problem as problem:
            if problem.kind.status == 409:
                counters.refused_at.append(self._clock())
            raise
        finally:
            counters.waiting -= Counter([key.update_id])
            if not counters.waiting and not counters.refused_at:
                self._counters.pop(action, None)

    def _remember(self, action: LimitedAction, counters: _Counters) -> None:
        self._counters[action] = counters
        self._counters.move_to_end(action)
        if len(self._counters) > MOST_ACTIONS:
            self._counters.popitem(last=False)

    def _refuse_loop(self, counters: _Counters) -> None:
        now, refused_at = self._clock(), counters.refused_at
        if len(refused_at) < MOST_REFUSALS or now - refused_at[0] > WITHIN_SECONDS:
            return
        if now - max(refused_at[-1], counters.tried_at) < PAUSE_SECONDS:
            raise Problem(
                REFUSED_TOO_OFTEN,
                "This was refused many times in a row. Look at the checkout before you send it again.",
            )
        counters.tried_at = now


def _refuse_crowd(counters: _Counters, key: UpdateKey) -> None:
    if key.update_id not in counters.waiting and len(counters.waiting) >= MOST_AT_ONCE:
        raise Problem(
            TOO_MANY_AT_ONCE,
            "Too many requests for this action wait already. Send it again when one of them has ended.",
        )
