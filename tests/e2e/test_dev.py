"""``checkout dev`` on its own data: it sells, heals, keeps its data, and refuses to mix with another."""
# ruff: noqa: ASYNC220, ASYNC240 - a test may block its own loop for the moment that a file or a fork takes

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from checkout_lab.stack.processes.ports import claim_free_port
from tests.support.dev_process import ROLES, DevProcess, checkout_dev, gone, temporary_directory


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[DevProcess]:
    """One ephemeral stack for the tests that leave it healthy."""
    async with temporary_directory() as directory, checkout_dev(directory, "--ephemeral") as dev:
        yield dev


@pytest.fixture
async def directory() -> AsyncIterator[Path]:
    async with temporary_directory() as path:
        yield path


def fixed_ports() -> list[str]:
    """Options that keep a stack with data off the usual ports: free ones, let go for the stack to claim."""
    names = ("api", "temporal", "temporal-ui", "sandbox", "postgres", "worker")
    claims = [claim_free_port() for _ in names]
    for claim in claims:
        claim.close()
    return [word for name, claim in zip(names, claims, strict=True) for word in (f"--{name}-port", str(claim.port))]


async def test_the_json_line_says_where_everything_is(shared: DevProcess) -> None:
    assert set(shared.info) == {
        *("api_url", "temporal_address", "temporal_namespace", "temporal_ui_url", "sandbox_url", "database_url"),
        *("storefront_key", "support_key", "pids"),
    }
    assert set(shared.pids) == set(ROLES)
    assert all(psutil.pid_exists(pid) for pid in shared.pids.values())


async def test_an_ephemeral_stack_sells_from_the_demo_catalogue(shared: DevProcess) -> None:
    view = await shared.buy()

    assert (view["status"], view["total_minor"], view["payment"]["status"]) == ("confirmed", 2580, "captured")


@pytest.mark.parametrize("role", ROLES)
async def test_a_killed_child_is_started_again_and_the_next_checkout_succeeds(shared: DevProcess, role: str) -> None:
    os.kill(shared.pids[role], signal.SIGKILL)

    await shared.log_has(f"{role} died (signal 9); restarted as pid")
    assert (await shared.buy())["status"] == "confirmed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
async def test_stopping_leaves_no_process_and_no_throw_away_data(directory: Path, number: signal.Signals) -> None:
    async with checkout_dev(directory, "--ephemeral") as dev:
        assert list(directory.glob("checkout-*"))
        family = dev.family()
        assert await dev.stop(number) == 0

    await gone(family)
    assert not list(directory.glob("checkout-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
async def test_a_killed_stack_takes_its_children_along(directory: Path) -> None:
    async with checkout_dev(directory, "--ephemeral") as dev:
        family = dev.family()
        await dev.stop(signal.SIGKILL)

        await gone(family)


async def test_data_and_keys_survive_and_a_second_start_meanwhile_is_refused(directory: Path) -> None:
    data = ["--data", str(directory / "data"), *fixed_ports()]
    async with checkout_dev(directory, *data) as dev:
        bought, keys = await dev.buy(), (dev.info["storefront_key"], dev.info["support_key"])
        second = await run_dev(directory, *data)
        assert second.returncode == 1
        assert f"already (pid {dev.process.pid})" in second.stderr
        assert second.stderr.count("\n") == 1
        assert await dev.stop() == 0

    async with checkout_dev(directory, *data) as dev:
        assert (dev.info["storefront_key"], dev.info["support_key"]) == keys
        assert (await dev.view(bought["id"]))["order_number"] == bought["order_number"]
        assert (await dev.buy())["status"] == "confirmed"


async def test_a_port_in_use_is_refused_by_name_before_anything_starts(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused = await run_dev(directory, "--ephemeral", "--api-port", str(port))

    assert refused.returncode == 1
    assert refused.stderr == (
        f"checkout: port {port} is in use, and the API wants it: "
        "stop what listens there, or choose another port with --api-port\n"
    )
    assert not list(directory.glob("checkout-*"))


async def test_ctrl_c_before_everything_is_up_stops_what_is(directory: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "checkout.cli.main", "dev", "--ephemeral"],
        env={**os.environ, "TMPDIR": str(directory)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(directory.glob("checkout-*/postgres")):
        assert process.poll() is None
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)

    assert await asyncio.to_thread(process.wait) == 0
    assert not list(directory.glob("checkout-*"))


async def run_dev(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A ``checkout dev`` that ends by itself."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", "-m", "checkout.cli.main", "dev", *options],
        cwd=directory,
        env={**os.environ, "TMPDIR": str(directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
