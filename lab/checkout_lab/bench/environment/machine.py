"""The machine, described: figures without it say nothing."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from checkout_lab.bench.environment.processes import Processes
from checkout_lab.stack.processes.process import python_path


def describe_machine(postgres_version: str) -> dict[str, Any]:
    """Processor, cores, memory, and the versions of all that takes part."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "temporalio": version("temporalio"),
        "temporal_server": _temporal_version(),
        "postgresql": postgres_version,
    }


class OthersWatch:
    """How much of the machine others used while we measured, from when it is made: what a ratio has to survive."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._started = self._now()

    def share(self) -> float:
        """From 0 (the machine was ours) to 1 of all its processor time, that which was stolen from it included."""
        all_of_it, busy, ours = (now - then for now, then in zip(self._now(), self._started, strict=True))
        return round(max(0.0, busy - ours) / all_of_it, 3)

    def _now(self) -> tuple[float, float, float]:
        """Processor seconds so far: that there were, that somebody used, that our processes used."""
        times = psutil.cpu_times()
        free = times.idle + getattr(times, "iowait", 0.0)
        # A guest's time is counted as its user's already.
        everything = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return everything, everything - free, sum(self._processes.cpu_seconds().values())


def _cpu_model() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # Not Linux.
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in facts if line.startswith("model name")), platform.machine())


def _temporal_version() -> str:
    program = python_path("temporal") or "temporal"
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    return said.stdout.strip()
