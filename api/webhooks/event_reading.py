"""Reading the bodies of events, which anybody may send: only a whole body shows who signed it.

The number read at once is limited; when there is one more, the one that has taken longest is aborted. A genuine event
arrives within moments, so senders that never finish displace each other only.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from api.http.bodies import time_for_a_body


class EventReading:
    """The bodies that are being read, up to ``at_most``."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._oldest_first: dict[asyncio.Timeout, None] = {}

    @contextmanager
    def place(self) -> Iterator[asyncio.Timeout]:
        """A place among them: the time limit to read under, which may end at any moment."""
        if len(self._oldest_first) >= self._at_most:
            self._abort_oldest()
        limit = time_for_a_body()
        self._oldest_first[limit] = None
        try:
            yield limit
        finally:
            self._oldest_first.pop(limit, None)

    def _abort_oldest(self) -> None:
        oldest = next(iter(self._oldest_first))
        del self._oldest_first[oldest]
        # One whose time is over already ends by itself.
        if not oldest.expired():
            oldest.reschedule(asyncio.get_running_loop().time())
