"""A trap at the moment of a commit, for connections to PostgreSQL that are not encrypted.

It follows the protocol (https://www.postgresql.org/docs/current/protocol.html) as far as needed to know when something
is about to be committed: a COMMIT of a transaction that has written, or the end (Sync) of a statement that writes
outside of one, which is a transaction of its own.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from checkout_lab.chaos.proxy.taps import ConnectionCut

#: What a client may ask before it starts: for SSL, or for GSS encryption.
_ENCRYPTION_REQUESTS = (80877103, 80877104)
_WRITES = re.compile(r"\b(INSERT INTO|DELETE FROM|MERGE INTO)\b|(?<!FOR )(?<!KEY )\bUPDATE\b", re.IGNORECASE)


class Moment(Enum):
    """When the connection breaks."""

    BEFORE = auto()  # the server never hears of the commit
    AFTER = auto()  # the server has committed and responded; the client never hears of it


@dataclass
class CommitTrap:
    """Shared by the taps of a link. Armed, it lets ``spare`` commits pass and springs at the next, once.

    It minds only commits of statements with the text ``about``, and counts them: ``seen``. ``then`` is called at the
    instant at which it springs, before the client's side breaks.
    """

    moment: Moment = Moment.AFTER
    spare: int = 0
    then: Callable[[], None] | None = None
    about: str = ""
    seen: int = 0
    is_armed: bool = False

    def arm(self, moment: Moment, spare: int = 0, then: Callable[[], None] | None = None, *, about: str = "") -> None:
        """Cut the connection at one of the next commits."""
        self.moment, self.spare, self.then, self.about = moment, spare, then, about
        self.seen, self.is_armed = 0, True

    def disarm(self) -> None:
        """Let every commit pass."""
        self.is_armed, self.then = False, None

    def is_due(self, written: str) -> bool:
        """Whether the commit of these statements, which is about to be sent, is the one."""
        if self.about not in written:
            return False
        self.seen += 1
        if not self.is_armed:
            return False
        self.spare -= 1
        if self.spare >= 0:
            return False
        self.is_armed = False
        return True

    def spring(self) -> None:
        """Break the connection.

        Raises:
            ConnectionCut: always.
        """
        if self.then:
            self.then()
        raise ConnectionCut


class Messages:
    """Takes a stream apart: a type, four bytes of length, a body."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes, *, typed: Callable[[], bool] = lambda: True) -> Iterator[tuple[str, bytes]]:
        """The messages that are complete by now; the type is empty for one that has none (the first of a client)."""
        self._rest += data
        while True:
            head = 1 if typed() else 0
            if len(self._rest) < head + 4:
                return
            end = head + int.from_bytes(self._rest[head : head + 4], "big")
            if len(self._rest) < end:
                return
            kind, body = self._rest[:head].decode("ascii", "replace"), self._rest[head + 4 : end]
            self._rest = self._rest[end:]
            yield kind, body


class PostgresTap:
    """Follows one connection, and springs the trap of its link."""

    def __init__(self, trap: CommitTrap) -> None:
        self._trap = trap
        self._client, self._server = Messages(), Messages()
        self._has_started = False
        self._encryption_responses = 0
        self._statements: dict[str, str] = {}
        self._in_transaction = False
        self._written = ""
        self._commits_at_sync = ""
        self._cuts_at_response = False

    def from_client(self, data: bytes) -> bytes:
        """The data unchanged, unless it commits and the trap cuts the connection before that."""
        for kind, body in self._client.feed(data, typed=lambda: self._has_started):
            written = self._committed_by(kind, body)
            if written and self._trap.is_due(written):
                if self._trap.moment is Moment.BEFORE:
                    self._trap.spring()
                self._cuts_at_response = True
        return data

    def from_server(self, data: bytes) -> bytes:
        """The data unchanged, unless it is the response at which the trap cuts the connection."""
        if self._cuts_at_response:
            self._trap.spring()
        skipped = min(self._encryption_responses, len(data))
        self._encryption_responses -= skipped
        for kind, body in self._server.feed(data[skipped:]):
            if kind == "Z":  # ReadyForQuery tells the state of the transaction.
                self._in_transaction = body != b"I"
                self._written = self._written if self._in_transaction else ""
        return data

    def _committed_by(self, kind: str, body: bytes) -> str:
        """The statements that this message commits; empty when it commits nothing."""
        match kind:
            case "":
                self._start(int.from_bytes(body[:4], "big"))
            case "Q":
                return self._run(_text(body))
            case "P":
                name, sql = body.split(b"\0")[:2]
                self._statements[_text(name)] = _text(sql)
            case "B":
                name = body.split(b"\0")[1]
                self._commits_at_sync += self._run(self._statements.get(_text(name), ""))
            case "S":
                written, self._commits_at_sync = self._commits_at_sync, ""
                return written
        return ""

    def _start(self, code: int) -> None:
        if code in _ENCRYPTION_REQUESTS:
            # The response is one byte, which says no, since our server has no certificate.
            self._encryption_responses += 1
        else:
            self._has_started = True

    def _run(self, sql: str) -> str:
        """Follow one statement; what it commits."""
        word = sql.lstrip().partition(" ")[0].rstrip(";").upper()
        if word in ("BEGIN", "START"):
            self._in_transaction, self._written = True, ""
            return ""
        if word in ("COMMIT", "END"):
            written, self._in_transaction, self._written = self._written, False, ""
            return written
        if not _WRITES.search(sql):
            return ""
        if self._in_transaction:
            self._written += sql
            return ""
        return sql


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")
