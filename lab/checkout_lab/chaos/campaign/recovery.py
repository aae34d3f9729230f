"""How long the shop takes to recover from a fault.

The recovery of a turn of faults lasts from the moment at which the last of them was undone until every checkout that
had been accepted before that moment has been seen to rest: it has ended, or it waits for a person (the customer or
support). It is seen as its shopper sees it, over HTTP, through whatever is still on its way up. What a checkout takes
by the design of its payment method (a bank that takes two seconds, a capture that comes late) or because the load made
a crowd is not the fault's doing: its clock starts when it was due, if that is later. A checkout that rests already at
that moment has nothing to recover from. The figure of a turn is that of its slowest checkout, and counts for each of
its faults.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from checkout_lab.chaos.load.shopper import Session

#: After this long a recovery is given up, and the checkout counts as unfinished if nothing comes of it.
GIVEN_UP_AFTER_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Recovery:
    """The recovery from the faults of one turn; ``slowest`` is the checkout that took longest, if any took time."""

    number: int
    names: tuple[str, ...]
    seconds: float
    slowest: str = ""


async def recover(number: int, names: tuple[str, ...], sessions: list[Session]) -> Recovery:
    """Measure one recovery, which begins now, on the sessions that were accepted by now."""
    ended_at = time.monotonic()
    waiting = [session for session in sessions if not session.is_resting]
    seconds, slowest = 0.0, ""
    while waiting and time.monotonic() < ended_at + GIVEN_UP_AFTER_SECONDS:
        await asyncio.sleep(_LOOK_SECONDS)
        for session in [session for session in waiting if (session.rested_at or 0) >= ended_at]:
            waiting.remove(session)
            took_seconds = (session.rested_at or 0) - max(ended_at, session.due_at)
            if took_seconds > seconds:
                seconds, slowest = took_seconds, session.checkout_id
    if waiting:
        return Recovery(number, names, GIVEN_UP_AFTER_SECONDS, waiting[0].checkout_id)
    return Recovery(number, names, seconds, slowest)
