"""Runs ``checkout dev`` as a person would: as a process of its own, seen through its output alone."""
# ruff: noqa: ASYNC220, ASYNC240 - a test may block its own loop for the moment that a file or a fork takes

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

ROLES = ("postgres", "temporal", "sandbox", "worker", "api")
MUGS: dict[str, Any] = {
    "customer_id": "cus_42",
    "currency": "EUR",
    "lines": [{"sku": "MUG-WHITE", "quantity": 2}],
    "payment_method": "pm_card_visa",
}


@dataclass
class DevProcess:
    """A ``checkout dev`` that is ready; ``info`` is its JSON line."""

    process: subprocess.Popen[str]
    log: Path
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def pids(self) -> dict[str, int]:
        """The processes as they were at the start."""
        return dict(self.info["pids"])

    def log_text(self) -> str:
        """Everything on standard error so far."""
        return self.log.read_text()

    async def log_has(self, text: str) -> None:
        """Wait for the text."""
        while text not in self.log_text():
            assert self.process.poll() is None, self.log_text()
            await asyncio.sleep(0.05)

    async def wait(self) -> int:
        """Wait for its end."""
        return await asyncio.to_thread(self.process.wait)

    async def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send the signal and wait for the end."""
        self.process.send_signal(number)
        return await self.wait()

    async def buy(self, key: str | None = None) -> dict[str, Any]:
        """Buy two mugs. Asks again with the same key while something is away, as a storefront should."""
        headers = {
            "Authorization": f"Bearer {self.info['storefront_key']}",
            "Idempotency-Key": key or uuid.uuid4().hex,
            "Prefer": "wait=20",
        }
        async with httpx.AsyncClient(base_url=self.info["api_url"], timeout=30, trust_env=False) as client:
            while True:
                with suppress(httpx.TransportError):
                    response = await client.post("/v1/checkouts", json=MUGS, headers=headers)
                    if response.status_code == 200:
                        return dict(response.json())
                    assert response.status_code in (202, 503), response.text
                await asyncio.sleep(0.1)

    async def view(self, checkout_id: str) -> dict[str, Any]:
        """The checkout as the storefront sees it now."""
        headers = {"Authorization": f"Bearer {self.info['storefront_key']}"}
        async with httpx.AsyncClient(base_url=self.info["api_url"], timeout=30, trust_env=False) as client:
            return dict((await client.get(f"/v1/checkouts/{checkout_id}", headers=headers)).raise_for_status().json())

    def family(self) -> list[psutil.Process]:
        """The process, its children and theirs."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]


async def gone(processes: list[psutil.Process]) -> None:
    """Wait until none of them runs any more."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 30)
    assert not alive


@asynccontextmanager
async def temporary_directory() -> AsyncIterator[Path]:
    """A directory that other users may pass through, which pytest's own is not."""
    directory = Path(tempfile.mkdtemp(prefix="checkout-e2e-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        await asyncio.to_thread(shutil.rmtree, directory)


@asynccontextmanager
async def checkout_dev(
    directory: Path,
    *options: str,
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "checkout.cli.main"),
    environment: Mapping[str, str] | None = None,
    user: int | None = None,
) -> AsyncIterator[DevProcess]:
    """``checkout dev --json`` in ``directory``, ready; killed afterwards if the test did not stop it."""
    log = directory / f"stderr-{time.monotonic_ns()}.txt"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*command, "dev", "--json", *options],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, "TMPDIR": str(directory), **(environment or {})},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    dev = DevProcess(process, log)
    try:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        assert line, dev.log_text()
        dev.info = json.loads(line)
        yield dev
    finally:
        await _end(dev)


async def _end(dev: DevProcess) -> None:
    if dev.process.poll() is None:
        await dev.stop()
    if dev.process.stdout is not None:
        dev.process.stdout.close()
    sys.stderr.write(dev.log_text())
