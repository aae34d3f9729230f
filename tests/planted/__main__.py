"""Plants one bug after the other into copies of the product, and sees whether it is caught.

    python -m tests.planted [--list] [--diff] [--only NAME ...] [--by exhaustive|campaign|both] [--json] [--markdown]

First a control: the same tests and campaigns in a copy without a bug, which have to find nothing. Exit status: 0 every
bug was caught; 1 one was not, or the control found something.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

from tests.planted.bug import Bug, Campaign
from tests.planted.catalogue import BUGS, named
from tests.planted.catchers import Catch, CatcherBroken, catches, run_campaign, run_exhaustive
from tests.planted.product_copy import ROOT, product_copy
from tests.planted.report import Row, as_json, as_markdown, print_table

_CONTROL = Bug("no bug", "Nothing: the product as it is.", edits=())


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    bugs = named(options.only)
    if options.list:
        sys.stdout.writelines(f"{bug.name:32} {bug.breaks}\n" for bug in bugs)
        return 0
    if options.diff:
        sys.stdout.writelines(f"# {bug.name}: {bug.breaks}\n{bug.diff(ROOT)}\n" for bug in bugs)
        return 0
    control = None if options.no_control else _say(play_control(bugs, options.by))
    rows = [_say(play(bug, options.by)) for bug in bugs]
    _show(([control] if control else []) + rows, options)
    is_sound = control is None or (control.catch is None and not control.trouble)
    return 0 if is_sound and all(row.catch for row in rows) else 1


def play(bug: Bug, by: str) -> Row:
    """Plant the bug into a copy, and see who catches it."""
    with product_copy() as copy:
        bug.plant(copy.root)
        copy.prove()
        try:
            return Row(bug, tuple(catches(copy, bug, by)))
        except CatcherBroken as error:
            return Row(bug, (), str(error))


def play_control(bugs: Sequence[Bug], by: str) -> Row:
    """Run everything that these bugs are looked for with, in a copy without a bug."""
    patterns = sorted({pattern for bug in bugs for pattern in bug.cases})
    campaigns = list(dict.fromkeys(bug.campaign for bug in bugs if by == "campaign" or not bug.cases))
    ran: list[Catch] = []
    with product_copy() as copy:
        copy.prove()
        try:
            if by != "campaign" and patterns:
                ran.append(run_exhaustive(copy, patterns))
            if by != "exhaustive" and campaigns:
                ran.append(run_campaign(copy, together(campaigns)))
        except CatcherBroken as error:
            return Row(_CONTROL, tuple(ran), str(error))
    return Row(_CONTROL, tuple(ran))


def together(campaigns: Sequence[Campaign]) -> Campaign:
    """One campaign with the faults of all of them."""
    kinds = sorted({word for one in campaigns for word in one.faults.split() if not word.isdigit()})
    return Campaign(" ".join([str(max(len(kinds), 8)), *kinds]), max(one.checkouts for one in campaigns))


def _stop(number: int, _: object) -> None:
    """Told to stop, end what was started, as when interrupted; to be told again does not cut that short."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _say(row: Row) -> Row:
    sys.stderr.write(f"{row.bug.name}: {row.who}: {row.what} ({row.seconds:.0f} s)\n")
    return row


def _show(rows: Sequence[Row], options: argparse.Namespace) -> None:
    if options.json:
        print(as_json(rows))  # noqa: T201
    elif options.markdown:
        print(as_markdown(rows), end="")  # noqa: T201
    else:
        print_table(rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.planted", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the bugs, and do nothing")
    parser.add_argument("--diff", action="store_true", help="print the bugs as patches, and do nothing")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", choices=[*BUGS], help="these bugs alone")
    parser.add_argument("--by", default="both", choices=["exhaustive", "campaign", "both"], help="who may catch them")
    parser.add_argument("--no-control", action="store_true", help="leave the control out")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print the result as one JSON line")
    shape.add_argument("--markdown", action="store_true", help="print the result as a table for a document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
