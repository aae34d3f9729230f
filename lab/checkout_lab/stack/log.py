"""What the children say: to the terminal, each line with its role, and to one file a role."""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

_COLOURS = {"postgres": 34, "temporal": 35, "sandbox": 33, "worker": 32, "api": 36}
#: Servers that speak much and matter seldom; where there are files, these alone hold their words.
_TALKATIVE = frozenset({"postgres", "temporal"})


class StackLog:
    """Takes the lines of all children. Without a ``directory`` everything goes to the terminal (standard error).

    ``terminal`` False leaves the terminal alone; what we announce ourselves is then in a file as well.
    """

    def __init__(self, directory: Path | None, *, terminal: bool = True) -> None:
        self.directory = directory
        self._terminal = terminal
        self._files: dict[str, TextIO] = {}
        self._quiet = directory is not None
        self._coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        if directory:
            directory.mkdir(parents=True, exist_ok=True)

    def take(self, role: str, line: str) -> None:
        """Take one line of a child's output."""
        if self.directory:
            self._file(role).write(line + "\n")
        if not (self._quiet and role in _TALKATIVE):
            self._show(role, line)

    def announce(self, line: str) -> None:
        """Write one line of the stack itself."""
        if not self._terminal:
            self._file("checkout").write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}\n")
        self._show("checkout", line)

    def hush(self) -> None:
        """Show no more lines of the servers: a Temporal server that is being stopped logs many errors about it."""
        self._quiet = True

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _show(self, role: str, line: str) -> None:
        if not self._terminal:
            return
        label = f"{role:>8}"
        if self._coloured:
            label = f"\x1b[{_COLOURS.get(role, 1)}m{label}\x1b[0m"
        # A terminal that was closed must not keep us from stopping the children.
        with suppress(OSError):
            print(f"{label} | {line}", file=sys.stderr, flush=True)  # noqa: T201

    def _file(self, role: str) -> TextIO:
        if role not in self._files and self.directory:
            path = self.directory / f"{role}.log"
            # The run before stays readable, and the files do not grow for ever.
            if path.exists():
                path.replace(path.with_suffix(".log.1"))
            self._files[role] = path.open("w", buffering=1)
        return self._files[role]
