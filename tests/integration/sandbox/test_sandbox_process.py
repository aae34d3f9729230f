"""The sandbox provider's faults are set with care, and it starts with clear words or not at all."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from checkout_lab.stack.processes.ports import claim_free_port
from tests.support.sandbox_server import SandboxServer, sandbox_server


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("sandbox")) as server:
        yield server


@pytest.fixture
def http(sandbox: SandboxServer) -> httpx.AsyncClient:
    return sandbox.http


@pytest.fixture
async def healed(sandbox: SandboxServer) -> AsyncIterator[SandboxServer]:
    """For tests that set faults."""
    yield sandbox
    await sandbox.recover()


class TestFaults:
    @pytest.mark.parametrize(
        "faults",
        [
            {"error_rate": 1.1},
            {"error_rate": "1"},
            {"lost_response_rate": -0.1},
            {"latency_ms": 1.5},
            {"outage": 1},
            {"webhooks": "never"},
            {"colour": "red"},
            [],
        ],
    )
    async def test_a_malformed_fault_changes_nothing(self, http: httpx.AsyncClient, faults: Any) -> None:
        before = (await http.get("/sandbox/faults")).json()
        body = {"latency_ms": 5, **faults} if isinstance(faults, dict) and "latency_ms" not in faults else faults
        refused = await http.post("/sandbox/faults", json=body)
        assert refused.status_code == 400
        assert (await http.get("/sandbox/faults")).json() == before

    async def test_faults_change_one_by_one_and_recovery_ends_them(self, healed: SandboxServer) -> None:
        await healed.set_faults(latency_ms=5)
        await healed.set_faults(webhooks="off")
        now = (await healed.http.get("/sandbox/faults")).json()
        assert (now["latency_ms"], now["webhooks"], now["outage"]) == (5, "off", False)
        await healed.recover()
        assert (await healed.http.get("/sandbox/faults")).json()["webhooks"] == "normal"


class TestProcess:
    async def test_a_second_provider_on_the_port_or_the_ledger_is_refused(self, tmp_path: Path) -> None:
        async with sandbox_server(tmp_path) as first:
            refusal = await _run(CHECKOUT_SANDBOX_PORT=str(first.port), CHECKOUT_SANDBOX_LEDGER=str(tmp_path / "new"))
            assert refusal[0] == 2
            assert f"cannot listen on 127.0.0.1:{first.port}" in refusal[1]
            taken = str(tmp_path / "sandbox-ledger.sqlite")
            with claim_free_port() as claim:
                refusal = await _run(CHECKOUT_SANDBOX_PORT=str(claim.port), CHECKOUT_SANDBOX_LEDGER=taken)
            assert refusal == (2, f"sandbox provider: cannot use the ledger {taken}: database is locked\n")

    async def test_a_malformed_setting_is_one_line_and_exit_2(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("no ledger at all, but long enough to be looked at as one\n" * 20)
        for setting, value, part in (
            ("PORT", "many", "CHECKOUT_SANDBOX_PORT is malformed"),
            ("LEDGER", str(tmp_path / "no" / "folder"), "cannot use the ledger"),
            ("LEDGER", str(tmp_path / "text"), "not a database"),
            ("WEBHOOK_URL", "http://127.0.0.1:9/", "CHECKOUT_SANDBOX_WEBHOOK_SECRET is not set"),
            ("WEBHOOK_URL", "127.0.0.1:9", "CHECKOUT_SANDBOX_WEBHOOK_"),
        ):
            with claim_free_port() as claim:
                usual = {"CHECKOUT_SANDBOX_LEDGER": str(tmp_path / "l"), "CHECKOUT_SANDBOX_PORT": str(claim.port)}
                status, output = await _run(**usual | {f"CHECKOUT_SANDBOX_{setting}": value})
            assert status == 2
            assert part in output
            assert output.count("\n") == 1


async def _run(**environment: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "checkout_lab.sandbox"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, output.decode()
