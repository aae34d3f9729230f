"""A copy of the product and its tests in a directory of its own, and programs that run in it and in nothing else."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Everything that the detectors run. The environment of Python is shared, and has nothing of the product in it.
_PARTS = ("activities", "api", "checkout", "lab", "tests", "workflows", "pyproject.toml", "worker.py")
_MODULES = ("activities", "api", "checkout", "checkout_lab", "worker", "workflows", "tests.support.shop")
_PROOF = f"import importlib; [print(importlib.import_module(name).__file__) for name in {_MODULES}]"
#: A program that was told to stop has a stack of servers to stop.
_STOP_SECONDS = 30


class NotTheCopy(Exception):
    """Python takes the product from somewhere else, so nothing that it shows is about the copy."""


@dataclass(frozen=True)
class Ran:
    """A program that has ended. ``status`` is None when its time was up."""

    status: int | None
    output: str


class ProductCopy:
    """The copy. Whatever runs in it finds its modules by ``PYTHONPATH``, which counts before what is installed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prove(self) -> None:
        """See that Python takes every package of the product from here, called as the product's own processes are.

        Raises:
            NotTheCopy: it does not.
        """
        ran = self.run([sys.executable, "-P", "-c", _PROOF], 60)
        found = ran.output.split()
        if ran.status != 0 or not all(Path(path).is_relative_to(self.root) for path in found):
            raise NotTheCopy(ran.output)

    def run(self, command: Sequence[str], timeout_seconds: float) -> Ran:
        """Run a program to its end, or until its time is up; nothing that it has started is left behind."""
        with (self.root / "output.txt").open("w+", errors="replace") as output:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=self._environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            status = _ended(process, timeout_seconds)
            output.seek(0)
            return Ran(status, output.read())

    def _environment(self, ours: Mapping[str, str]) -> dict[str, str]:
        # What measures coverage or configures a checkout is about this process, and not about a broken copy.
        kept = {
            name: value for name, value in ours.items() if not name.startswith(("COVERAGE_", "CHECKOUT_", "PYTEST_"))
        }
        path = os.pathsep.join(map(str, (self.root, self.root / "lab")))
        return kept | {"PYTHONPATH": path, "COLUMNS": "200", "TMPDIR": str(self.root.parent)}


def _ended(process: subprocess.Popen[bytes], timeout_seconds: float) -> int | None:
    """Its exit status; None when it had to be told to stop."""
    try:
        return process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # Its servers are tied to its life, and end with it.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def product_copy(root: Path = ROOT) -> Iterator[ProductCopy]:
    """A copy of the tree at ``root`` as it is now, gone after the block."""
    directory = Path(tempfile.mkdtemp(prefix="checkout-mutation-"))
    try:
        # Servers that refuse to be root run as somebody else, who has to get through.
        directory.chmod(0o755)
        tree = directory / "tree"
        tree.mkdir()
        for part in _PARTS:
            _copy(root / part, tree / part)
        yield ProductCopy(tree)
    finally:
        shutil.rmtree(directory)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copy(source, target)
