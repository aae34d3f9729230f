"""`checkout bench` as a script sees it: a small run on a real stack, and runs that must report nothing."""
# ruff: noqa: ASYNC220 - a test may block its own loop for the moment that a fork takes

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil
import pytest

from tests.support.dev_process import gone

pytestmark = pytest.mark.alone

BENCH = (sys.executable, "-P", "-m", "checkout.cli.main", "bench", "--json", "--rounds", "1")


@asynccontextmanager
async def bench(*options: str, **environment: str) -> AsyncIterator[subprocess.Popen[str]]:
    """The command under way, asked to end after the block if it has not."""
    with subprocess.Popen(
        [*BENCH, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            await asyncio.to_thread(process.communicate)


async def until(found: Callable[[], psutil.Process | None], process: subprocess.Popen[str]) -> psutil.Process:
    while (one := found()) is None:
        assert process.poll() is None, process.communicate()
        await asyncio.sleep(0.05)
    return one


def child(process: subprocess.Popen[str], *words: str) -> psutil.Process | None:
    """The child of the bench whose command line ends with these words."""
    for one in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):  # One that has ended meanwhile.
            if tuple(one.cmdline()[-len(words) :]) == words:
                return one
    return None


# Its pieces wait for states, and on a machine that others use there are many.
@pytest.mark.timeout(300)
async def test_a_small_run_reports_every_figure_and_every_checkout_ends_confirmed() -> None:
    async with bench("--seconds", "0.2") as process:
        out, err = await asyncio.to_thread(process.communicate)

    assert process.returncode == 0, err
    report: dict[str, Any] = json.loads(out)
    for subject in ("checkout", "baseline", "lower_bound"):
        assert set(report[subject]["c1"]) == {"p50_ms", "p99_ms"}
        assert set(report[subject]["c32"]) == {"per_second", "p50_ms", "p99_ms"}
        assert 0 < report[subject]["c1"]["p50_ms"] <= report[subject]["c1"]["p99_ms"]
        assert report["cpu_ms"][subject]["total"] > report["cpu_ms"][subject]["temporal"] > 0
    for name in (
        "accept_p50_ms",
        "start_workflow_p50_ms",
        "ratio_p50_c1",
        "p99_to_p50_c32",
        "ratio_accept",
        "ratio_p50_c1_lower_bound",
    ):
        assert report[name] > 0
    ratio = report["checkout"]["c32"]["per_second"] / report["baseline"]["c32"]["per_second"]
    assert abs(report["ratio_throughput_c32"] - ratio) < 0.01
    assert report["ended"]["as_wanted"]
    assert report["ended"]["found"] == {"confirmed": report["ended"]["accepted"]}
    assert report["pressure"] == {"shed": {}, "unsettled": 0}
    assert report["machine"]["cores"] > 0
    assert_counts(report["round_trips"])


def assert_counts(counts: dict[str, Any]) -> None:
    """What must be so of any design; the baseline's counts are Temporal's own."""
    assert counts["workflows"] == counts["provider_calls"] == 1
    assert counts["activities"] + counts["markers"] >= 4
    assert 0 < counts["sql_transactions"] <= counts["sql_statements"] <= counts["sql_round_trips"]
    assert counts["temporal_calls"]["StartWorkflowExecution"] == 1
    baseline = counts["baseline"]
    assert (baseline["workflow_tasks"], baseline["activities"], baseline["history_events"]) == (5, 4, 29)
    assert baseline["sql_statements"] == baseline["provider_calls"] == 0


async def test_a_stack_that_does_not_start_is_not_measured() -> None:
    async with bench(CHECKOUT_WORKER_MAX_CACHED_WORKFLOWS="-1") as process:
        out, err = await asyncio.to_thread(process.communicate)

    assert (process.returncode, out) == (1, "")
    assert "CHECKOUT_WORKER_MAX_CACHED_WORKFLOWS is malformed" in err


async def test_a_stack_that_loses_its_api_in_mid_run_is_not_reported() -> None:
    async with bench("--seconds", "60") as process:
        await until(lambda: child(process, "-m", "checkout_lab.bench.baseline.baseline_worker"), process)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        (await until(lambda: child(process, "checkout.cli.main", "api"), process)).kill()
        out, err = await asyncio.to_thread(process.communicate)

    assert (process.returncode, out) == (1, "")
    assert "nothing is reported" in err
    await gone(family)
