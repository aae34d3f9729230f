"""What came of the mutations: a table for people, one for the documents, and the same for scripts."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from textwrap import shorten

from rich.console import Console
from rich.table import Table

from tests.mutation.detectors import Detection
from tests.mutation.mutation import Mutation

#: How much of what was said fits into a table: names of tests or checks, and characters.
_NAMES, _SAID = 2, 110


@dataclass(frozen=True)
class Row:
    """A mutation, and what the detectors that were run came to; ``trouble`` is why one of them could not be run."""

    mutation: Mutation
    detections: tuple[Detection, ...]
    trouble: str = ""

    @property
    def detection(self) -> Detection | None:
        """The one that found it."""
        return next((one for one in self.detections if one.findings), None)

    @property
    def seconds(self) -> float:
        """How long it took until it was found, or until all had let it pass."""
        return sum(one.seconds for one in self.detections)

    @property
    def who(self) -> str:
        """The detector, and which of its tests or checks."""
        if self.detection is None:
            return "**nobody**"
        names = [*self.detection.findings]
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        return f"{self.detection.by}: {', '.join(f'`{name}`' for name in names[:_NAMES])}{more}"

    @property
    def what(self) -> str:
        """What it said, in a line."""
        said = next(iter(self.detection.findings.values())) if self.detection else self.trouble
        return shorten(said, _SAID, placeholder=" …")


def print_table(rows: Sequence[Row]) -> None:
    """A table in the terminal."""
    table = Table(pad_edge=False)
    for heading in ("MUTATION", "DETECTED BY", "WHICH SAID", "SECONDS"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "SECONDS" else "left")
    for row in rows:
        table.add_row(row.mutation.name, row.who.replace("`", "").replace("*", ""), row.what, f"{row.seconds:.0f}")
    Console(highlight=False, markup=False).print(table)


def as_markdown(rows: Sequence[Row]) -> str:
    """A table for a document."""
    lines = ["| mutation | what it breaks | detected by | which said | seconds |", "|---|---|---|---|---:|"]
    for row in rows:
        cells = (f"`{row.mutation.name}`", row.mutation.breaks, row.who, row.what, f"{row.seconds:.0f}")
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def as_json(rows: Sequence[Row]) -> str:
    """The same for scripts."""
    return json.dumps(
        [
            {
                "mutation": row.mutation.name,
                "breaks": row.mutation.breaks,
                "detected": row.detection is not None,
                "detections": [asdict(one) | {"seconds": round(one.seconds, 1)} for one in row.detections],
                "trouble": row.trouble or None,
            }
            for row in rows
        ]
    )
