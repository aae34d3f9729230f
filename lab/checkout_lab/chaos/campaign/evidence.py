"""What a failing campaign leaves for whoever has to find out why."""
# ruff: noqa: ASYNC240 - the campaign is over, and nobody waits for the loop while a file is written

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx
from psycopg import sql
from temporalio.service import RPCError, RPCStatusCode

from checkout_lab.chaos.checker.books import snapshot
from checkout_lab.chaos.load.load import Load
from checkout_lab.chaos.schedule import PlannedFault
from checkout_lab.chaos.system.system import System

#: Histories of these many checkouts are written out; those of all others are in Temporal's file.
_MOST_HISTORIES: Final = 100


async def keep(system: System, load: Load, schedule: Collection[PlannedFault], report: Mapping[str, Any]) -> Path:
    """Write report, schedule, what customers were told, tables, ledger and histories; return the directory.

    ``report`` is that of the campaign, with ``violation_list`` and ``unfinished_list``. Logs and the servers' own files
    lie beside it.

    Raises:
        psycopg.Error, httpx.HTTPError, temporalio.service.RPCError: a server does not come back.
    """
    place = system.directory / "evidence"
    place.mkdir(exist_ok=True)
    _write(place / "report.json", report)
    _write(place / "schedule.json", [asdict(planned) for planned in schedule])
    _write(place / "told.json", [asdict(promise) | {"ids": sorted(promise.ids)} for promise in load.promises])
    await _keep_tables(system, place / "tables")
    await _keep_ledger(system, place / "ledger.json")
    accused = {one["subject"] for one in report["violation_list"]} | set(report["unfinished_list"])
    await _keep_histories(system, sorted(accused)[:_MOST_HISTORIES], place / "histories")
    return place


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, default=str))


async def _keep_tables(system: System, place: Path) -> None:
    place.mkdir(exist_ok=True)
    async with snapshot(system.info.database_url) as connection:
        cursor = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in await cursor.fetchall():
            copy = sql.SQL("COPY {} TO STDOUT WITH (FORMAT csv, HEADER)").format(sql.Identifier(table))
            async with connection.cursor() as reader, reader.copy(copy) as rows:
                (place / f"{table}.csv").write_bytes(b"".join([bytes(row) async for row in rows]))


async def _keep_ledger(system: System, path: Path) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        response = (await client.get(f"{system.info.sandbox_url}/sandbox/ledger")).raise_for_status()
    _write(path, response.json())


async def _keep_histories(system: System, subjects: Collection[str], place: Path) -> None:
    place.mkdir(exist_ok=True)
    for subject in subjects:
        try:
            history = await system.client.get_workflow_handle(subject).fetch_history()
        except RPCError as error:
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise
            continue  # An article or a cart is to blame, not a checkout.
        (place / f"{subject}.json").write_text(history.to_json())
