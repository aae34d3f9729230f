"""The parts of the developer's stack: ports that are kept, children that are watched, settings that are handed on."""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from checkout_lab.stack.errors import ChildFailed, PortInUse, StackError
from checkout_lab.stack.lock import locked
from checkout_lab.stack.plan import Plan, Ports
from checkout_lab.stack.processes.ports import PortClaim, claim_free_port, claim_port
from checkout_lab.stack.processes.process import Child, Program, listens, running
from checkout_lab.stack.processes.supervisor import Supervisor
from checkout_lab.stack.secrets import DevSecrets

LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True); time.sleep(60)"


def program(script: str, port: int, ready: Callable[[], Awaitable[bool]] | None = None, **changes: float) -> Program:
    """A child that runs a line of Python."""

    async def responds() -> bool:
        return await listens(port)

    return Program(
        role="child",
        command=(sys.executable, "-c", script.format(port=port)),
        port=port,
        is_ready=ready or responds,
        environment={"PATH": os.defpath},
        start_timeout_seconds=changes.get("start", 20),
        stop_timeout_seconds=changes.get("stop", 10),
    )


def ignore(role: str, line: str) -> None:
    """Nobody reads it."""


def test_a_claimed_port_is_kept_from_every_other_claim() -> None:
    with claim_free_port() as claim, pytest.raises(PortInUse, match="is in use, and the API wants it: move"):
        claim_port(claim.port, wanted_by="the API", remedy="move")
    PortClaim(claim.port).close()


async def test_a_child_is_ready_when_it_listens_and_gone_after_its_block() -> None:
    lines: list[str] = []
    with claim_free_port() as claim:
        async with running(program(LISTEN, claim.port), lambda role, line: lines.append(line)):
            assert await listens(claim.port)
        assert not await listens(claim.port)
    assert lines == ["up"]


async def test_somebody_elses_server_on_the_port_does_not_count_as_ready() -> None:
    with claim_free_port() as claim:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", claim.port)
        async with server:
            with pytest.raises(ChildFailed, match=re.escape("child ended (exit status 1)")):
                async with running(program(LISTEN, claim.port), ignore):
                    pass


async def test_a_child_that_ends_before_it_is_ready_is_quoted() -> None:
    with claim_free_port() as claim, pytest.raises(ChildFailed, match=r"\(exit status 3\)\n  the disk is full"):
        async with running(program("print('the disk is full'); raise SystemExit(3)", claim.port), ignore):
            pass


async def test_a_child_that_never_gets_ready_is_given_up_and_stopped() -> None:
    with claim_free_port() as claim, pytest.raises(ChildFailed, match="is not ready in time"):
        async with running(program("import time; time.sleep(60)", claim.port, start=0.3), ignore):
            pass


async def test_a_child_that_ignores_the_signal_is_killed() -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + LISTEN
    with claim_free_port() as claim:
        child = await Child.start(program(deaf, claim.port, stop=0.2), ignore)
        await child.ready()

        assert await child.stop() is False
        assert await child.exited() == -9


async def test_the_supervisor_starts_a_dead_child_again_and_says_so() -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    with claim_free_port() as claim:
        supervisor = Supervisor(ignore, said.put_nowait)
        await supervisor.start(program(LISTEN, claim.port))
        first = supervisor.pids["child"]
        os.kill(first, 9)

        line = await said.get()
        second = supervisor.pids["child"]
        assert (line, second != first) == (f"child died (signal 9); restarted as pid {second}", True)
        await supervisor.stop()
        assert not await listens(claim.port)


def test_a_directory_is_held_by_one_and_the_other_learns_by_whom(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StackError, match=rf"already \(pid {os.getpid()}\)"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    assert DevSecrets.load_or_make(path) == DevSecrets.load_or_make(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_damaged_secrets_are_an_error_and_are_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text("{")

    with pytest.raises(StackError, match="is damaged"):
        DevSecrets.load_or_make(path)


def test_timeouts_are_passed_on_and_a_production_address_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHECKOUT_PAYMENT_STUCK_AFTER_SECONDS", "7")
    monkeypatch.setenv("CHECKOUT_TEMPORAL_API_KEY", "of production")
    monkeypatch.setenv("CHECKOUT_DATABASE_URL", "postgresql://production/shop")
    plan = Plan(Ports(), DevSecrets.load_or_make(tmp_path / "s.json"), "postgresql://here/shop", "default", "ledger")

    for role in (plan.sandbox(), plan.worker(), plan.api()):
        assert role.environment["CHECKOUT_PAYMENT_STUCK_AFTER_SECONDS"] == "7"
        assert "of production" not in role.environment.values()
        assert role.environment.get("CHECKOUT_DATABASE_URL", "postgresql://here/shop") == "postgresql://here/shop"
