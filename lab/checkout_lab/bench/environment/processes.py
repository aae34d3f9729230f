"""The processor time and the memory of the processes, by role."""

import os
from collections.abc import Iterator, Mapping

import psutil

from checkout_lab.bench.errors import BenchError

#: The bench itself: it is the client of all that it measures.
CLIENT = "client"


class Processes:
    """The processes of a stack, and this one.

    Raises, all that look at them:
        BenchError: one of them has died.
    """

    def __init__(self, pids: Mapping[str, list[int]]) -> None:
        everyone = {**pids, CLIENT: [os.getpid()]}
        self._roles = {role: [psutil.Process(pid) for pid in numbers] for role, numbers in everyone.items()}

    def add(self, role: str, pid: int) -> None:
        """Count one more process for the role."""
        self._roles[role].append(psutil.Process(pid))

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time so far, of each role's processes and of all that they started (but not of what we did)."""
        return {role: sum(map(_used_seconds, self._family(role))) for role in self._roles}

    def gone(self) -> list[str]:
        """The roles of which a process has ended."""
        return [role for role, processes in self._roles.items() if not all(map(_lives, processes))]

    def memory_mb(self, role: str) -> float:
        """Resident memory of a role's processes, in megabytes (10⁶ bytes)."""
        return float(sum(process.memory_info().rss for process in self._family(role))) / 1e6

    def _family(self, role: str) -> Iterator[psutil.Process]:
        for process in self._roles[role]:
            yield process
            if role != CLIENT:
                try:
                    yield from process.children(recursive=True)
                except psutil.NoSuchProcess:
                    raise BenchError(f"{role} (pid {process.pid}) died, so nothing is reported") from None


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _used_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        # It ended a moment ago, and its parent has its time now.
        return 0.0
    # A backend of PostgreSQL that has ended counts as its parent's child. Ours are the stack itself.
    ended = 0.0 if process.pid == os.getpid() else times.children_user + times.children_system
    return float(times.user + times.system + ended)


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The processor time of each role in between, in seconds."""
    return {role: after[role] - before[role] for role in after}
