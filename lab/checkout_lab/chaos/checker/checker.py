"""The independent checker: reads tables, ledger and workflows, and says what breaks an invariant.

It imports nothing of the product, so that neither can hide a mistake of the other; the linter keeps it so. "Always" is
asked at any moment, in the middle of faults; "eventually" when everything has had its time to come to rest. Amounts
are compared unit by unit, which is right for currencies with two decimals: the load buys in no other.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection
from temporalio.client import Client

from checkout_lab.chaos.checker import ledger_checks, promise_checks, table_checks
from checkout_lab.chaos.checker.books import LedgerSnapshot, Tables, Violation, read_ledger, read_tables, snapshot
from checkout_lab.chaos.checker.promise_checks import Promise, shelf_violations
from checkout_lab.chaos.checker.secrets import Scanner, scan_files, scan_histories, scan_tables, secrets_of
from checkout_lab.chaos.checker.workflows import at_work, read_runs, run_violations, unfinished


@dataclass(frozen=True)
class Verdict:
    """What is wrong at the end; ``unfinished`` are the accepted checkouts that are nowhere near one: id -> where."""

    violations: list[Violation] = field(default_factory=list)
    unfinished: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.violations and not self.unfinished


class Checker:
    """Checks one shop. ``units`` and ``prices`` (minor units) are what the campaign put on its shelves, by SKU."""

    def __init__(
        self, database_url: str, sandbox_url: str, units: Mapping[str, int], prices: Mapping[str, int]
    ) -> None:
        self._database_url = database_url
        self._sandbox_url = sandbox_url
        self._units = units
        self._prices = prices

    async def always(self, promises: Sequence[Promise]) -> list[Violation]:
        """What may never be, not even in the middle of a fault.

        Raises:
            psycopg.Error, httpx.HTTPError: PostgreSQL or the provider is away; nothing was found out.
        """
        async with snapshot(self._database_url) as connection:
            found = await table_violations(connection)
            tables = await read_tables(connection)
        ledger = await read_ledger(self._sandbox_url)
        return found + self._compared(tables, ledger, promises)

    async def eventually(
        self, promises: Sequence[Promise], client: Client, taken_events: Collection[str] = ()
    ) -> Verdict:
        """What may not be when nothing is going wrong any more; all of "always" is asked as well. ``taken_events`` are
        the ids of events that the shop has taken with a 2xx.

        Raises:
            psycopg.Error, httpx.HTTPError, temporalio.service.RPCError: one of the servers is away.
        """
        accepted = {checkout_id for one in promises for checkout_id in one.ids}
        async with snapshot(self._database_url) as connection:
            known = (await read_tables(connection)).checkouts.keys()
        # Before the tables that they are held against: a workflow that ends meanwhile has ended its rows by then.
        runs = await read_runs(client, accepted | known)
        async with snapshot(self._database_url) as connection:
            found = await table_violations(connection, resting=at_work(runs))
            found += await lost_events(connection, taken_events)
            tables = await read_tables(connection)
        ledger = await read_ledger(self._sandbox_url)
        found += self._compared(tables, ledger, promises)
        found += [
            Violation(name, *wrong)
            for name, check in ledger_checks.EVENTUALLY.items()
            for wrong in check(tables, ledger)
        ]
        found += [
            Violation(name, *wrong)
            for name, tell in promise_checks.EVENTUALLY.items()
            for wrong in tell(promises, tables)
        ]
        found += run_violations(runs, accepted | known, tables)
        return Verdict(sorted(set(found)), unfinished(runs, accepted, tables))

    async def secrets(self, directory: Path, client: Client) -> list[Violation]:
        """What was written down that never may be. ``directory`` has secrets.json, logs and Temporal's file.

        Raises:
            psycopg.Error, temporalio.service.RPCError: one of the servers is away.
        """
        scanner = Scanner(secrets_of(directory, self._database_url))
        async with snapshot(self._database_url) as connection:
            found = await scan_tables(connection, scanner)
        found += await asyncio.to_thread(scan_files, directory, scanner)
        return found + await scan_histories(client, scanner)

    async def statuses(self, checkout_ids: Sequence[str]) -> dict[str, str]:
        """How these checkouts stand in the tables; those that are not there are left out.

        Raises:
            psycopg.Error: PostgreSQL is away.
        """
        async with snapshot(self._database_url) as connection:
            query = "SELECT checkout_id, status FROM checkouts WHERE checkout_id = ANY (%s)"
            return dict(await (await connection.execute(query, (list(checkout_ids),))).fetchall())

    def _compared(self, tables: Tables, ledger: LedgerSnapshot, promises: Sequence[Promise]) -> list[Violation]:
        found = [
            Violation(name, *wrong) for name, check in ledger_checks.ALWAYS.items() for wrong in check(tables, ledger)
        ]
        found += [
            Violation(name, *wrong) for name, tell in promise_checks.ALWAYS.items() for wrong in tell(promises, tables)
        ]
        return found + shelf_violations(tables, self._units, self._prices)


async def lost_events(connection: AsyncConnection[Any], taken: Collection[str]) -> list[Violation]:
    """Those of the taken events that are not in the inbox."""
    query = "SELECT id FROM unnest(%s::text[]) AS id EXCEPT SELECT event_id FROM payment_events"
    lost = await (await connection.execute(query, (list(taken),))).fetchall()
    return [Violation("10: no event that was taken is lost", name, "is not in the inbox") for (name,) in lost]


async def table_violations(connection: AsyncConnection[Any], resting: frozenset[str] | None = None) -> list[Violation]:
    """What the tables alone show to be wrong.

    With ``resting`` also what may be so only while somebody works on it, for all but these checkouts.
    """
    found = []
    for name, query in table_checks.ALWAYS.items():
        # The queries are constants of this program.
        found += [Violation(name, *row) for row in await (await connection.execute(query.encode())).fetchall()]
    if resting is not None:
        parameters = {"at_work": sorted(resting)}
        for name, query in table_checks.EVENTUALLY.items():
            rows = await (await connection.execute(query.encode(), parameters)).fetchall()
            found += [Violation(name, *row) for row in rows]
    return found
