"""Applies one mutation after the other to copies of the product, and sees whether it is detected.

    python -m tests.mutation [--list] [--diff] [--only NAME ...] [--by exhaustive|campaign|both] [--json] [--markdown]

First a control: the same tests and campaigns in a copy without a mutation, which have to find nothing. Exit status: 0,
every mutation was detected; 1, one was not, or the control found something.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

from tests.mutation.catalogue import MUTATIONS, named
from tests.mutation.detectors import Detection, DetectorBroken, detections, run_campaign, run_exhaustive
from tests.mutation.mutation import Campaign, Mutation
from tests.mutation.product_copy import ROOT, product_copy
from tests.mutation.report import Row, as_json, as_markdown, print_table

_CONTROL = Mutation("no mutation", "Nothing: the product as it is.", edits=())


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    mutations = named(options.only)
    if options.list:
        sys.stdout.writelines(f"{mutation.name:32} {mutation.breaks}\n" for mutation in mutations)
        return 0
    if options.diff:
        sys.stdout.writelines(
            f"# {mutation.name}: {mutation.breaks}\n{mutation.diff(ROOT)}\n" for mutation in mutations
        )
        return 0
    control = None if options.no_control else _say(play_control(mutations, options.by))
    rows = [_say(play(mutation, options.by)) for mutation in mutations]
    _show(([control] if control else []) + rows, options)
    is_sound = control is None or (control.detection is None and not control.trouble)
    return 0 if is_sound and all(row.detection for row in rows) else 1


def play(mutation: Mutation, by: str) -> Row:
    """Apply the mutation to a copy, and see which detector finds it."""
    with product_copy() as copy:
        mutation.apply(copy.root)
        copy.prove()
        try:
            return Row(mutation, tuple(detections(copy, mutation, by)))
        except DetectorBroken as error:
            return Row(mutation, (), str(error))


def play_control(mutations: Sequence[Mutation], by: str) -> Row:
    """Run everything that these mutations are looked for with, in a copy without a mutation."""
    patterns = sorted({pattern for mutation in mutations for pattern in mutation.cases})
    campaigns = list(
        dict.fromkeys(mutation.campaign for mutation in mutations if by == "campaign" or not mutation.cases)
    )
    ran: list[Detection] = []
    with product_copy() as copy:
        copy.prove()
        try:
            if by != "campaign" and patterns:
                ran.append(run_exhaustive(copy, patterns))
            if by != "exhaustive" and campaigns:
                ran.append(run_campaign(copy, together(campaigns)))
        except DetectorBroken as error:
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
    sys.stderr.write(f"{row.mutation.name}: {row.who}: {row.what} ({row.seconds:.0f} s)\n")
    return row


def _show(rows: Sequence[Row], options: argparse.Namespace) -> None:
    if options.json:
        print(as_json(rows))  # noqa: T201
    elif options.markdown:
        print(as_markdown(rows), end="")  # noqa: T201
    else:
        print_table(rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.mutation", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the mutations, and do nothing")
    parser.add_argument("--diff", action="store_true", help="print the mutations as patches, and do nothing")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", choices=[*MUTATIONS], help="these mutations alone"
    )
    parser.add_argument(
        "--by", default="both", choices=["exhaustive", "campaign", "both"], help="which detectors to run"
    )
    parser.add_argument("--no-control", action="store_true", help="leave the control out")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print the result as one JSON line")
    shape.add_argument("--markdown", action="store_true", help="print the result as a table for a document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
