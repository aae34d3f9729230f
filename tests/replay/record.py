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
from tests.replay.recording import Recording, recorder
from tests.replay.scenarios import TOGETHER
from tests.replay.scenarios_with_faults import AFTER_THE_OTHERS, BEFORE_THE_OTHERS, cancelled_before_the_first_step

_AT_ONCE = 6
_TIMEOUT_SECONDS = 180


async def record() -> dict[str, int]:
    """Play every scenario and write every history; returns the number of events by name.

    Raises:
        TimeoutError: a scenario hangs.
    """
    async with asyncio.timeout(_TIMEOUT_SECONDS), recorder(cancelled_before_the_first_step) as recording:
        for scenario in BEFORE_THE_OTHERS:
            await scenario(recording)
        await _side_by_side(recording)
        for scenario in AFTER_THE_OTHERS:
            await scenario(recording)
    for name in set(histories.names()) - set(recording.kept):
        histories.path_of(name).unlink()
    for name, history in recording.kept.items():
        histories.write(name, history)
    return {name: len(history.events) for name, history in recording.kept.items()}


async def _side_by_side(recording: Recording) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def play(scenario: Callable[[Recording], Awaitable[None]]) -> None:
        async with turns:
            await scenario(recording)

    async with asyncio.TaskGroup() as group:
        for scenario in TOGETHER:
            group.create_task(play(scenario))


def main() -> None:
    """Record, and say what was recorded."""
    # Activities fail on purpose here, at length.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    logging.getLogger("tests.recording").setLevel(logging.INFO)
    began = time.monotonic()
    recorded = asyncio.run(record())
    sys.stdout.write(
        f"{len(recorded)} histories, {sum(recorded.values())} events, {time.monotonic() - began:.0f} s: "
        f"{histories.DIRECTORY}\n"
    )


if __name__ == "__main__":
    main()
