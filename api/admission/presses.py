"""What one process remembers of presses of a button, so that a client in a loop costs Temporal and the workers little.

A button is one action of one caller on one checkout: no caller's presses hold up another's, and those of one button no
other button of the same caller. What is remembered is lost with the process, and each process remembers by itself;
nothing depends on it but load.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from api.http.idempotency import UpdateKey
from api.http.problems import REFUSED_TOO_OFTEN, TOO_MANY_AT_ONCE, Problem

#: So many refusals within so many seconds are a loop: no person presses twice a second for ten seconds.
MOST_REFUSALS: Final = 20
WITHIN_SECONDS: Final = 10.0
#: Whoever is in a loop may still ask once a second, so a press that has become right waits no longer than that.
PAUSE_SECONDS: Final = 1.0
#: Temporal takes ten updates of a workflow at once. One button may have this many, so that two in a loop (paying and
#: cancelling, a retry and a cancel) leave room for others.
MOST_AT_ONCE: Final = 4
#: So many buttons are remembered, the latest. Each takes about a kilobyte.
MOST_BUTTONS: Final = 10_000


@dataclass(frozen=True)
class Button:
    """An action, such as ``payment``, of one caller (by the name of the key) on one checkout."""

    caller: str
    action: str
    checkout_id: str


@dataclass
class _Memory:
    #: When the latest presses were refused.
    refused_at: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_REFUSALS))
    #: When the latest press was let through although there had been too many.
    tried_at: float = float("-inf")
    #: How many requests wait for an answer, by the id of their press: those of one id are one update.
    waiting: Counter[str] = field(default_factory=Counter)


class Presses:
    """The presses of this process. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._memories: OrderedDict[Button, _Memory] = OrderedDict()

    @asynccontextmanager
    async def admitted(self, button: Button, press: UpdateKey) -> AsyncIterator[None]:
        """Let the press through, and remember whether it was refused (by a problem of status 409).

        Raises:
            Problem: 429 when the button was just refused too often, or has too many presses under way.
        """
        memory = self._memories.get(button) or _Memory()
        self._refuse_loop(memory)
        _refuse_crowd(memory, press)
        memory.waiting[press.update_id] += 1
        self._remember(button, memory)
        try:
            yield
        except Problem as problem:
            if problem.kind.status == 409:
                memory.refused_at.append(self._clock())
            raise
        finally:
            memory.waiting -= Counter([press.update_id])
            if not memory.waiting and not memory.refused_at:
                self._memories.pop(button, None)

    def _remember(self, button: Button, memory: _Memory) -> None:
        self._memories[button] = memory
        self._memories.move_to_end(button)
        if len(self._memories) > MOST_BUTTONS:
            self._memories.popitem(last=False)

    def _refuse_loop(self, memory: _Memory) -> None:
        now, refused_at = self._clock(), memory.refused_at
        if len(refused_at) < MOST_REFUSALS or now - refused_at[0] > WITHIN_SECONDS:
            return
        if now - max(refused_at[-1], memory.tried_at) < PAUSE_SECONDS:
            raise Problem(REFUSED_TOO_OFTEN, "It was refused again and again. Look at the checkout before trying on.")
        memory.tried_at = now


def _refuse_crowd(memory: _Memory, press: UpdateKey) -> None:
    if press.update_id not in memory.waiting and len(memory.waiting) >= MOST_AT_ONCE:
        raise Problem(TOO_MANY_AT_ONCE, "As many of these requests as may wait at once are waiting already.")
