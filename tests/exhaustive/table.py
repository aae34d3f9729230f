"""The cases and what came of them, for people."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table

from tests.exhaustive.cases import Case
from tests.exhaustive.faults import DO_KINDS, UNDO_KINDS, Fault
from tests.exhaustive.verdict import Judged

Results = Mapping[Case, Sequence[Judged]]

_LETTERS = {"confirmed": "C", "rejected": "R", "cancelled": "X"}
_LEGEND = (
    "How the checkouts ended and how many of each (C confirmed, R rejected, X cancelled, 0 before anything happened), "
    "and how long the slowest took. A ! stands before what is not as it must be."
)


def lines(results: Results) -> Iterator[str]:
    """The whole report, line by line."""
    yield from _drawn(_singles(results))
    for step in dict.fromkeys(case.step for case in results if len(case.injections) == 2):
        yield from _drawn(_pairs(results, step.do.__name__, step.undo.__name__ if step.undo else ""))
    case_runs = [one for some in results.values() for one in some]
    yield _LEGEND
    yield f"{len(results)} cases, {len(case_runs)} checkouts, {sum(bool(one.wrong) for one in case_runs)} of them wrong"


def _singles(results: Results) -> Table:
    """One row for each fault, one column for each do and undo."""
    singles = [(case.injections[0], some) for case, some in results.items() if len(case.injections) == 1]
    activities = dict.fromkeys(injection.activity for injection, _ in singles)
    table = Table(Column("", no_wrap=True), *activities, box=box.SIMPLE_HEAD)
    for fault in [one for one in Fault if any(injection.fault == one for injection, _ in singles)]:
        of_fault = [(injection.activity, some) for injection, some in singles if injection.fault == fault]
        row = [[one for name, some in of_fault if name == activity for one in some] for activity in activities]
        table.add_row(fault, *map(_cell, row))
    return table


def _pairs(results: Results, do: str, undo: str) -> Table:
    """One row for each kind of fault of the do, one column for each of its undo."""
    table = Table(f"{do} \\ {undo}", *UNDO_KINDS, box=box.SIMPLE_HEAD)
    for name, do_kind in DO_KINDS.items():
        kinds = [(do_kind, undo_kind) for undo_kind in UNDO_KINDS.values()]
        row = [[one for case, some in results.items() if _is(case, (do, undo), k) for one in some] for k in kinds]
        table.add_row(name, *map(_cell, row))
    return table


def _is(case: Case, activities: tuple[str, str], kinds: tuple[tuple[Fault, ...], tuple[Fault, ...]]) -> bool:
    """Whether the case is a pair of these two activities, with these two kinds of faults."""
    if tuple(one.activity for one in case.injections) != activities:
        return False
    return all(one.fault in kind for one, kind in zip(case.injections, kinds, strict=True))


def _cell(some: Sequence[Judged]) -> str:
    if not some:
        return ""
    endings = Counter(_LETTERS.get(one.status or "", "0") for one in some)
    wrong = "!" if any(one.wrong for one in some) else ""
    slowest_seconds = max(one.case_run.duration_seconds for one in some)
    return f"{wrong}{' '.join(f'{n}{letter}' for letter, n in sorted(endings.items()))} {slowest_seconds:.1f}s"


def _drawn(table: Table) -> list[str]:
    console = Console(file=io.StringIO(), width=170)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines() if line.strip()]
