"""The command `checkout chaos`, as a person runs it: a small campaign that goes well, and one that must not."""
# ruff: noqa: ASYNC240 - a test may block its own loop for the moment that a file takes

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.support.dev_process import gone, temporary_directory

# On a machine that has other things to do; alone, none takes longer than half a minute.
pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

_COMMAND = (sys.executable, "-m", "checkout.cli.main", "chaos")


@asynccontextmanager
async def chaos(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, running; it is asked to stop if the test does not wait for its end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*_COMMAND, *options, stdout=pipe, stderr=pipe)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def outcome(process: asyncio.subprocess.Process) -> tuple[int, dict[str, Any], str]:
    """Exit status, the JSON of standard output, and standard error, once it has ended."""
    said, progress = await process.communicate()
    assert process.returncode is not None
    assert said, progress.decode()
    return process.returncode, json.loads(said), progress.decode()


async def test_a_small_campaign_ends_well_and_says_so() -> None:
    kinds = "worker-kill,client-storm"
    async with chaos("--checkouts", "15", "--seed", "11", "--faults", kinds, "--json") as process:
        status, report, progress = await outcome(process)
    assert (status, report["violations"], report["unfinished"]) == (0, 0, 0), report
    assert report["checkouts"] >= 15
    assert sum(report["endings"].values()) == report["checkouts"]
    assert set(report["endings"]) <= {"confirmed", "rejected", "cancelled"}
    assert report["faults"] == {"worker-kill": 1, "client-storm": 1}
    assert report["seed"] == 11
    assert 0 <= report["recovery_seconds"]["p50"] <= report["recovery_seconds"]["max"]
    assert report["checks"] > 0
    directory = Path(progress.partition("data in ")[2].splitlines()[0])
    assert not directory.exists(), "what went well leaves nothing behind"


async def test_what_is_wrong_ends_it_with_1_and_keeps_the_evidence() -> None:
    async with temporary_directory() as directory:
        keep = directory / "campaign"
        async with chaos("--checkouts", "40", "--faults", "0", "--keep", str(keep), "--rate", "1", "--json") as process:
            await _reserve_for_nobody(keep)
            status, report, _ = await outcome(process)
        assert (status, report["kept"]) == (1, str(keep))
        assert "1: reserved is what is held" in {one["check"] for one in report["violation_list"]}
        assert report["checkouts"] < 40, "the first violation ends the campaign"
        evidence = keep / "evidence"
        assert json.loads((evidence / "report.json").read_text())["violations"] == report["violations"]
        assert json.loads((evidence / "ledger.json").read_text())["intents"]
        assert json.loads((evidence / "told.json").read_text())[0]["ids"]
        assert "MUG" in (evidence / "tables" / "products.csv").read_text()
        assert (keep / "logs" / "worker.log").read_text()


async def test_told_to_stop_it_leaves_no_process_behind() -> None:
    async with temporary_directory() as directory:
        async with chaos("--keep", str(directory / "campaign")) as process:
            itself = psutil.Process(process.pid)
            while not (children := itself.children(recursive=True)):
                await asyncio.sleep(0.05)
            process.terminate()
            await process.communicate()
        assert process.returncode == 130
        await gone(children)


async def _reserve_for_nobody(keep: Path) -> None:
    """Break the first invariant, as soon as the campaign has said where its database is and filled its shelves."""
    while not (keep / "system.json").exists():
        await asyncio.sleep(0.1)
    url = json.loads((keep / "system.json").read_text())["database_url"]
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while not (await connection.execute("UPDATE products SET reserved = reserved + 1 WHERE sku = 'MUG'")).rowcount:
            await asyncio.sleep(0.1)
