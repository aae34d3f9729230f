"""What came of the planted bugs: a table for people, one for the documents, and the same for scripts."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from textwrap import shorten

from rich.console import Console
from rich.table import Table

from tests.planted.bug import Bug
from tests.planted.catchers import Catch

#: How much of what was said fits into a table: names of tests or checks, and characters.
_NAMES, _SAID = 2, 110


@dataclass(frozen=True)
class Row:
    """A bug, and what the catchers that were run came to; ``trouble`` is why one of them could not be run."""

    bug: Bug
    catches: tuple[Catch, ...]
    trouble: str = ""

    @property
    def catch(self) -> Catch | None:
        """The one that caught it."""
        return next((one for one in self.catches if one.findings), None)

    @property
    def seconds(self) -> float:
        """How long it took until it was caught, or until all had let it pass."""
        return sum(one.seconds for one in self.catches)

    @property
    def who(self) -> str:
        """The catcher, and which of its tests or checks."""
        if self.catch is None:
            return "**nobody**"
        names = [*self.catch.findings]
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        return f"{self.catch.by}: {', '.join(f'`{name}`' for name in names[:_NAMES])}{more}"

    @property
    def what(self) -> str:
        """What it said, in a line."""
        said = next(iter(self.catch.findings.values())) if self.catch else self.trouble
        return shorten(said, _SAID, placeholder=" …")


def print_table(rows: Sequence[Row]) -> None:
    """A table in the terminal."""
    table = Table(pad_edge=False)
    for heading in ("BUG", "CAUGHT BY", "WHICH SAID", "SECONDS"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "SECONDS" else "left")
    for row in rows:
        table.add_row(row.bug.name, row.who.replace("`", "").replace("*", ""), row.what, f"{row.seconds:.0f}")
    Console(highlight=False, markup=False).print(table)


def as_markdown(rows: Sequence[Row]) -> str:
    """A table for a document."""
    lines = ["| bug | what it breaks | caught by | which said | seconds |", "|---|---|---|---|---:|"]
    for row in rows:
        cells = (f"`{row.bug.name}`", row.bug.breaks, row.who, row.what, f"{row.seconds:.0f}")
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def as_json(rows: Sequence[Row]) -> str:
    """The same for scripts."""
    return json.dumps(
        [
            {
                "bug": row.bug.name,
                "breaks": row.bug.breaks,
                "caught": row.catch is not None,
                "catches": [asdict(one) | {"seconds": round(one.seconds, 1)} for one in row.catches],
                "trouble": row.trouble or None,
            }
            for row in rows
        ]
    )
