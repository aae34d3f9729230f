"""The progress bar, on standard error: standard output is for the report."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Steps:
    """Tells what is being done, and how far it is. ``total`` may grow on the way."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)
        self._done = 0

    def expect(self, total: int) -> None:
        """Set how many steps there will be."""
        self._progress.update(self._task, total=total)

    def begin(self, what: str) -> None:
        """Show the next step; the one before it is done."""
        self._progress.update(self._task, description=what, completed=self._done)
        self._done += 1


@contextmanager
def shown_steps() -> Iterator[Steps]:
    """A bar within the block; where standard error is no terminal, nothing is drawn."""
    columns = (TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Steps(progress)
