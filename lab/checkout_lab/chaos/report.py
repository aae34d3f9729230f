"""What people see when a campaign is over: tables and a plot, on standard output."""

from typing import Any, Final

from rich.console import Console
from rich.table import Table

from checkout_lab.chaos.campaign.result import CampaignResult, by_fault, percentile

_MOST_LISTED: Final = 20
_PLOT_WIDTH: Final = 90
_PLOT_HEIGHT: Final = 16


def print_report(result: CampaignResult) -> None:
    """Print the report of a campaign."""
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
