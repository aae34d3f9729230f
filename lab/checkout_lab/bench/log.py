"""What the servers say: nothing that anybody wants to read beside a progress bar, but for what can be counted."""

import re
from collections import Counter

from checkout_lab.stack.log import StackLog

#: PostgreSQL's `log_line_prefix`: the virtual id of the transaction, which is another for each one of a connection.
LINE_PREFIX = "%v "
_STATEMENT = re.compile(r"(\S+) LOG:  (?:statement|execute [^:]+): *(.*)")
_LOUD = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b")
_CONTROL = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})


class BenchLog(StackLog):
    """Counts PostgreSQL's statements while it logs them, and passes on what went wrong in our own processes.

    ``deaths`` has a line for every process that died: what was measured then is worth nothing.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.deaths: list[str] = []
        self._statements: list[tuple[str, str]] = []

    def take(self, role: str, line: str) -> None:
        """Take one line of a child's output."""
        if role == "postgres":
            if match := _STATEMENT.match(line):
                self._statements.append((match[1], match[2]))
        elif role != "temporal" and _LOUD.search(line):
            super().take(role, line)

    def announce(self, line: str) -> None:
        """One line of the supervisor, which speaks when a child has died."""
        self.deaths.append(line)

    def has_seen(self, mark: str) -> bool:
        """Whether a statement with this text has been logged."""
        return any(mark in text for _, text in self._statements)

    def drop(self, mark: str) -> None:
        """Do not count the statement with this text."""
        self._statements = [(transaction, text) for transaction, text in self._statements if mark not in text]

    def forget(self) -> None:
        """Start counting from zero."""
        self._statements.clear()

    def counts(self) -> dict[str, int]:
        """Statements, the transactions that they were in, and the round trips that they took with BEGIN and COMMIT."""
        control = Counter(text.partition(" ")[0].rstrip(";") in _CONTROL for _, text in self._statements)
        return {
            "sql_statements": control[False],
            "sql_transactions": len({transaction for transaction, _ in self._statements}),
            "sql_round_trips": len(self._statements),
        }
