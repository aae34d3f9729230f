"""The check that nothing was written down that never may be: no card number and no key of anybody's.

Looked through are every table, every log file, and everything that Temporal keeps: its file, in which all of it lies
as plain bytes, and the newest histories as Temporal itself tells them, since the pages of a file may part what belongs
together. What is found is named by its place and never repeated.
"""

import asyncio
import json
import mmap
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from psycopg import AsyncConnection, sql
from temporalio.client import Client

from checkout_lab.chaos.checker.books import Violation

_CHECK: Final = "13: no card number and no secret is written down"
_ALL_WORKFLOWS: Final = ""
_AT_ONCE: Final = 8
_MOST_HISTORIES: Final = 1000
#: 13 to 19 digits that stand for themselves, in one piece or in groups as cards print them.
_DIGITS: Final = re.compile(
    rb"(?<![0-9A-Za-z_-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![0-9A-Za-z_-])"
)
#: The first digits of the payment networks. A time in milliseconds begins with a 1.
_NETWORKS: Final = b"23456"


class Scanner:
    """Finds card numbers, and the secrets (name -> value) that it was given."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = {name: value.encode() for name, value in secrets.items() if value}

    def finds(self, content: bytes | mmap.mmap) -> Iterator[str]:
        """What is in there that should not be, in words that do not repeat it."""
        for name, value in self._secrets.items():
            if content.find(value) >= 0:
                yield f"the {name}"
        for match in _DIGITS.finditer(content):
            digits = re.sub(rb"\D", b"", match[0])
            if digits[:1] in _NETWORKS and is_luhn(digits.decode()):
                yield f"a card number ending in {digits[-4:].decode()}"

    def violations(self, place: str, content: bytes | mmap.mmap) -> list[Violation]:
        """What is found there, as violations at this place."""
        return [Violation(_CHECK, place, what) for what in sorted(set(self.finds(content)))]


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def secrets_of(directory: Path, database_url: str) -> dict[str, str]:
    """The keys of a stack whose data is in the directory, and its database's password."""
    kept = json.loads((directory / "secrets.json").read_text())
    return {name.replace("_", " "): value for name, value in kept.items()} | {
        "database's password": urlsplit(database_url).password or ""
    }


async def scan_tables(connection: AsyncConnection[Any], scanner: Scanner) -> list[Violation]:
    """Scan every row of every table of the shop."""
    cursor = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    found: list[Violation] = []
    for (table,) in await cursor.fetchall():
        content = b"".join([bytes(rows) async for rows in _rows(connection, table)])
        found += scanner.violations(f"table {table}", content)
    return found


async def _rows(connection: AsyncConnection[Any], table: str) -> AsyncIterator[Any]:
    copy = sql.SQL("COPY (SELECT t::text FROM {} t) TO STDOUT").format(sql.Identifier(table))
    async with connection.cursor() as cursor, cursor.copy(copy) as rows:
        async for row in rows:
            yield row


def scan_files(directory: Path, scanner: Scanner) -> list[Violation]:
    """Every log file of a stack whose data is in the directory, and Temporal's own files, however large."""
    found: list[Violation] = []
    for path in sorted([*directory.glob("logs/*"), *directory.glob("temporal.sqlite*")]):
        if path.stat().st_size:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                found += scanner.violations(f"file {path.name}", content)
    return found


async def scan_histories(client: Client, scanner: Scanner) -> list[Violation]:
    """The newest histories of the namespace, whatever their type.

    Raises:
        temporalio.service.RPCError: Temporal is away.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def scan(workflow_id: str, run_id: str) -> list[Violation]:
        async with gate:
            handle = client.get_workflow_handle(workflow_id, run_id=run_id)
            events = [event.SerializeToString() async for event in handle.fetch_history_events()]
        return scanner.violations(f"history of {workflow_id}", b"\n".join(events))

    newest = client.list_workflows(_ALL_WORKFLOWS, limit=_MOST_HISTORIES)
    listed = [(one.id, one.run_id) async for one in newest]
    return [violation for found in await asyncio.gather(*(scan(*one) for one in listed)) for violation in found]
