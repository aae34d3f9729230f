"""Records the histories that tests/replay replays: ``python -m tests.replay.record``.

Every kind of ending and of waiting is played on real servers, and what Temporal wrote down of it is kept in
tests/histories. A history that fits no longer means that open checkouts of the last release fit no longer either, so
do not record anew to make a test pass. Read docs/guides/upgrade.md; and if they have to fit, move the
histories of that release to tests/histories/RELEASE/ first, where they are replayed and never overwritten.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable

from tests.replay import histories
from tests.replay.stories import TOGETHER
from tests.replay.stories_of_trouble import AFTER_THE_OTHERS, BEFORE_THE_OTHERS, cancelled_before_the_first_step
from tests.replay.studio import Studio, studio

_AT_ONCE = 6
_TIMEOUT_SECONDS = 180


async def record() -> dict[str, int]:
    """Play every story and write every history; answers the number of events by name.

    Raises:
        TimeoutError: a story hangs.
    """
    async with asyncio.timeout(_TIMEOUT_SECONDS), studio(cancelled_before_the_first_step) as place:
        for story in BEFORE_THE_OTHERS:
            await story(place)
        await _side_by_side(place)
        for story in AFTER_THE_OTHERS:
            await story(place)
    for name in set(histories.names()) - set(place.kept):
        histories.path_of(name).unlink()
    for name, history in place.kept.items():
        histories.write(name, history)
    return {name: len(history.events) for name, history in place.kept.items()}


async def _side_by_side(place: Studio) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def play(story: Callable[[Studio], Awaitable[None]]) -> None:
        async with turns:
            await story(place)

    async with asyncio.TaskGroup() as group:
        for story in TOGETHER:
            group.create_task(play(story))


def main() -> None:
    """Record, and say what was recorded."""
    # Activities fail on purpose here, at length.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    logging.getLogger("tests.studio").setLevel(logging.INFO)
    began = time.monotonic()
    recorded = asyncio.run(record())
    sys.stdout.write(
        f"{len(recorded)} histories, {sum(recorded.values())} events, {time.monotonic() - began:.0f} s: "
        f"{histories.DIRECTORY}\n"
    )


if __name__ == "__main__":
    main()
