"""What people see of a campaign: a bar while it runs, and tables and a plot when it is over."""

from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lab.chaos.campaign.result import CampaignResult, by_fault, percentile

_MOST_LISTED: Final = 20
_PLOT_WIDTH: Final = 90
_PLOT_HEIGHT: Final = 16


class ProgressMeter:
    """A bar for the checkouts and one for the faults, on standard error; shown within the block."""

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
        """It is about to do this. Where there is no terminal, each is a line."""
        self._progress.update(self._faults, said=what)
        if not self._progress.console.is_terminal:
            self._progress.console.print(what, highlight=False, markup=False, soft_wrap=True)

    def counts(self, checkouts: int, faults: int, violations: int) -> None:
        """So many checkouts were accepted, faults made, violations found."""
        said = f"[bold red]violations: {violations}[/]" if violations else ""
        self._progress.update(self._checkouts, completed=checkouts, said=said)
        self._progress.update(self._faults, completed=faults)


def print_report(result: CampaignResult) -> None:
    """Everything, on standard output."""
    console = Console(highlight=False)
    console.print(
        f"\n[bold]{result.checkouts} checkouts, {sum(result.faults.values())} faults[/] in {result.seconds:.0f} s, "
        f"{result.rate:.1f} a second of the {result.capacity:.1f} that were measured; "
        f"the checker looked {result.checks} times (seed {result.seed})\n"
    )
    console.print(_endings(result))
    if result.recoveries:
        console.print(_faults(result))
        # Written as it is: the plot has its own idea of a line.
        print(_plot(result))  # noqa: T201
        figures = result.as_json()["recovery_seconds"]
        console.print(f"\nRecovery: p50 {figures['p50']} s, p99 {figures['p99']} s, longest {figures['max']} s")
    _print_verdict(console, result)


def _endings(result: CampaignResult) -> Table:
    table = _table("HOW THEY ENDED", "CHECKOUTS")
    for name, number in result.endings.items():
        table.add_row(name, str(number))
    return table


def _faults(result: CampaignResult) -> Table:
    table = _table("FAULT", "TIMES", "RECOVERY P50", "LONGEST")
    for name, seconds in by_fault(result.recoveries).items():
        table.add_row(name, str(len(seconds)), f"{percentile(seconds, 50):.1f} s", f"{seconds[-1]:.1f} s")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _plot(result: CampaignResult) -> str:
    """Recovery times in the order of the faults."""
    import plotext  # noqa: PLC0415 - slow to import, and only for people

    plotter: Any = plotext
    plotter.clear_figure()
    plotter.plotsize(_PLOT_WIDTH, _PLOT_HEIGHT)
    plotter.scatter([one.number for one in result.recoveries], [one.seconds for one in result.recoveries])
    plotter.hline(percentile(result.recovery_seconds, 99))
    plotter.title("recovery in seconds, by turn of faults; the line is p99")
    return str(plotter.uncolorize(plotter.build()))


def _print_verdict(console: Console, result: CampaignResult) -> None:
    for heading, lines in (
        ("violations", [str(one) for one in result.violations]),
        ("unfinished", [f"{checkout_id}: {where}" for checkout_id, where in result.unfinished.items()]),
    ):
        console.print(f"[bold {'red' if lines else 'green'}]{len(lines)} {heading}[/]")
        for line in lines[:_MOST_LISTED]:
            # soft_wrap: an id that was broken up could not be copied; markup: an id is no style.
            console.print(f"  {line}", soft_wrap=True, markup=False)
        if len(lines) > _MOST_LISTED:
            console.print(f"  … and {len(lines) - _MOST_LISTED} more")
    if result.kept:
        console.print(f"Histories, tables, ledger and logs are in {result.kept}", soft_wrap=True)
