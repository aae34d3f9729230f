"""The report for people: tables and plots on standard output."""

from typing import Any, Final

from rich.console import Console
from rich.table import Table

from checkout_lab.bench.plots import plot

Json = dict[str, Any]

#: The ratio -> what it is, whether more is better, and what is aimed at.
TARGETS: Final = {
    "ratio_throughput_c32": ("throughput at 32 clients, checkout ÷ baseline", True, 1.5),
    "ratio_p50_c1": ("p50 of one client, checkout ÷ baseline", False, 0.6),
    "p99_to_p50_c32": ("p99 ÷ p50 of the checkout at 32 clients", False, 3.0),
    "ratio_accept": ("response to POST without wait ÷ bare start of a workflow, p50", False, 1.5),
}


def print_comparison(report: Json) -> None:
    """Print the checkout beside the baseline and the lower bound."""
    console = _console()
    console.print(_latencies(report))
    console.print(_ratios(report))
    console.print(_costs(report["cpu_ms"]))
    console.print(_round_trips(report["round_trips"]))
    console.print(plot("Latency against load", "operations a second", "ms", _curves(report)), markup=False)
    _print_circumstances(console, report)


def print_growth(report: Json) -> None:
    """Print what a checkout costs at each point."""
    console = _console()
    console.print(_growth_table(report))
    what, points = report["growth"], report["points"]
    lines = {name: [(point["amount"], point[name]["cpu_ms"]["total"]) for point in points] for name in _SUBJECTS}
    text = plot(f"Processor time against {what}", what, "ms", lines, decades=what == "orders")
    console.print(text, markup=False)
    ratios = ", ".join(f"{name} {value}" for name, value in report["last_to_first"].items())
    console.print(f"The last point ÷ the first: {ratios}")
    _print_circumstances(console, report)


def print_memory(report: Json) -> None:
    """Print the memory over many checkouts."""
    console = _console()
    points = report["points"]
    roles = list(points[0]["memory_mb"])
    table = _table("checkouts", *(f"{role} MB" for role in roles))
    for point in points:
        _add(table, point["amount"], *point["memory_mb"].values())
    console.print(table)
    lines = {role: [(point["amount"], point["memory_mb"][role]) for point in points] for role in ("worker", "api")}
    console.print(plot("Resident memory against checkouts", "checkouts", "MB", lines), markup=False)
    compared = report["reconcile"]
    console.print(f"Comparing the books: {compared['seconds']} s, {sum(compared['cpu_seconds'].values()):.1f} s of CPU")
    _print_circumstances(console, report)


_WIDTH_WITHOUT_TERMINAL: Final = 120
_SUBJECTS: Final = ("checkout", "baseline")
_ALL: Final = (*_SUBJECTS, "lower_bound")
_LOADS: Final = (("c1", "1 client"), ("c32", "32 clients"))


def _latencies(report: Json) -> Table:
    table = _table("", "load", "a second", "p50 ms", "p99 ms")
    for subject in _ALL:
        for load, title in _LOADS:
            figures = report[subject][load]
            _add(
                table,
                subject.replace("_", " "),
                title,
                figures.get("per_second", ""),
                figures["p50_ms"],
                figures["p99_ms"],
            )
    for subject in _SUBJECTS:
        half = report["open_loop"][subject]
        _add(table, subject, "open, half capacity", half["offered_per_second"], half["p50_ms"], half["p99_ms"])
    _add(table, "checkout", "POST without wait", "", report["accept_p50_ms"], "")
    _add(table, "baseline", "start without wait", "", report["start_workflow_p50_ms"], "")
    return table


def _ratios(report: Json) -> Table:
    table = _table("ratio", "measured", "target", "")
    for name, (what, more_is_better, target) in TARGETS.items():
        value = report[name]
        met = value >= target if more_is_better else value <= target
        _add(table, what, value, f"{'≥' if more_is_better else '≤'} {target}", "met" if met else "missed")
    for name in ("ratio_throughput_c32", "ratio_p50_c1"):
        _add(table, f"{TARGETS[name][0]}, if its steps were empty", report[f"{name}_lower_bound"], "", "")
    _add(table, "processor time at 32 clients, checkout ÷ baseline", report["ratio_cpu_c32"], "", "")
    return table


def _costs(cpu_ms: Json) -> Table:
    roles = list(dict.fromkeys(role for subject in _ALL for role in cpu_ms[subject] if role != "total"))
    table = _table("CPU ms an operation", *(role.replace("_", " ") for role in roles), "total")
    for subject in _ALL:
        _add(table, subject.replace("_", " "), *(cpu_ms[subject].get(role, "") for role in (*roles, "total")))
    return table


def _round_trips(counts: Json) -> Table:
    columns = {
        "checkout": counts,
        "under load": counts["under_load"],
        "its events": counts.get("events_of_the_provider", {}),
        "baseline": counts["baseline"],
    }
    table = _table("an operation asks for", *columns)
    for name, value in counts.items():
        if not isinstance(value, dict):
            _add(table, name.replace("_", " "), *(column.get(name, "") for column in columns.values()))
    for group in ("temporal_calls", "temporal_persistence"):
        for name in sorted({name for column in columns.values() for name in column.get(group, {})}):
            _add(table, name, *(column.get(group, {}).get(name, "") for column in columns.values()))
    return table


def _curves(report: Json) -> dict[str, list[tuple[float, float]]]:
    return {
        f"{subject} {name}": [(point["offered_per_second"], point[f"{name}_ms"]) for point in report["curve"][subject]]
        for subject in _SUBJECTS
        for name in ("p50", "p99")
    }


def _growth_table(report: Json) -> Table:
    table = _table(report["growth"], "a second", "p50 ms", "p99 ms", "CPU ms", "PostgreSQL ms", "baseline CPU ms")
    for point in report["points"]:
        checkout = point["checkout"]
        cpu = checkout["cpu_ms"]
        speed = (checkout["per_second"], checkout["p50_ms"], checkout["p99_ms"])
        costs = (cpu["total"], cpu.get("postgres", 0), point["baseline"]["cpu_ms"]["total"])
        _add(table, f"{point['amount']:,}", *speed, *costs)
    return table


def _print_circumstances(console: Console, report: Json) -> None:
    console.print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    console.print(", ".join(f"{name} {value}" for name, value in report["settings"].items()))
    ended = report["ended"]
    console.print(f"{ended['accepted']} checkouts were accepted; they ended as: {ended['found']}")
    if report["pressure"]["shed"] or report["pressure"]["unsettled"]:
        console.print(f"[bold red]Not all were served at once[/]: {report['pressure']}")


def _console() -> Console:
    """Wide enough for the tables where no terminal says how wide it is."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right")
    return table


def _add(table: Table, *cells: object) -> None:
    table.add_row(*(f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in cells))
