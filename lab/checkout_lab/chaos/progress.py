"""What people see while a campaign runs, on standard error: standard output is for the report."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class CampaignProgress:
    """A bar for the checkouts and one for the faults; shown within the block."""

    def __init__(self, checkouts: int, faults: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}"),
            console=Console(stderr=True),
        )
        self._checkouts = self._progress.add_task("checkouts", total=checkouts, said="")
        self._faults = self._progress.add_task("faults", total=faults, said="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def says(self, what: str) -> None:
        """Say what the campaign does now; a line of its own where there is no terminal."""
        self._progress.update(self._faults, said=what)
        if not self._progress.console.is_terminal:
            self._progress.console.print(what, highlight=False, markup=False, soft_wrap=True)

    def counts(self, checkouts: int, faults: int, violations: int) -> None:
        """Show how many checkouts were accepted, faults made, violations found."""
        said = f"[bold red]violations: {violations}[/]" if violations else ""
        self._progress.update(self._checkouts, completed=checkouts, said=said)
        self._progress.update(self._faults, completed=faults)
