"""The sandbox provider as a real process, on a port and a ledger of its own::

async with sandbox_server(tmp_path) as sandbox:
    settings = sandbox.payment_settings()
    await sandbox.set_faults(outage=True)
    await sandbox.kill_and_restart()
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from checkout.config.settings import PaymentSettings
from checkout_lab.stack.processes.ports import HOST, claim_free_port
from checkout_lab.stack.processes.process import Child, Program, listens
from tests.support.servers import say

API_KEY = "sk_test_sandbox"
# Without it there is no page to send a customer to, as with Stripe.
RETURN_URL = "https://shop.example/paid"

Json = dict[str, Any]


class SandboxServer:
    """A running provider. ``url`` is its base URL, ``http`` a client on it that shows a secret key."""

    def __init__(self, port: int, ledger: Path, environment: Mapping[str, str]) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self.http = httpx.AsyncClient(base_url=self.url, auth=(API_KEY, ""), timeout=10, trust_env=False)
        self._program = Program(
            role="sandbox",
            command=(sys.executable, "-m", "checkout_lab.sandbox"),
            port=port,
            is_ready=lambda: listens(port),
            environment={
                "CHECKOUT_SANDBOX_HOST": HOST,
                "CHECKOUT_SANDBOX_PORT": str(port),
                "CHECKOUT_SANDBOX_LEDGER": str(ledger),
                **environment,
            },
        )
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The provider's process id.

        Raises:
            RuntimeError: it is not running.
        """
        if self._child is None:
            raise RuntimeError("the sandbox is not running")
        return self._child.pid

    async def start(self) -> None:
        """Start it and wait until it serves."""
        self._child = await Child.start(self._program, say)
        await self._child.ready()

    async def stop(self) -> None:
        """Ask it to finish."""
        if self._child:
            child, self._child = self._child, None
            await child.stop()

    async def kill(self) -> None:
        """kill -9."""
        if self._child:
            self._child.kill()
            await self.stop()

    async def kill_and_restart(self) -> None:
        """kill -9, then start again on the same port and ledger."""
        await self.kill()
        await self.start()

    def payment_settings(self, timeout_seconds: float = 10) -> PaymentSettings:
        """The settings of a gateway that talks to this provider."""
        return PaymentSettings.model_validate(
            {
                "stripe_api_key": API_KEY,
                "stripe_api_base": self.url,
                "payment_return_url": RETURN_URL,
                "provider_timeout_seconds": timeout_seconds,
            }
        )

    async def set_faults(self, **faults: Any) -> None:
        """Change the faults of the whole provider."""
        (await self.http.post("/sandbox/faults", json=faults)).raise_for_status()

    async def recover(self) -> None:
        """End every fault."""
        (await self.http.post("/sandbox/recover")).raise_for_status()

    async def ledger(self) -> Json:
        """``{"intents": […], "refunds": […]}``."""
        response = await self.http.get("/sandbox/ledger")
        response.raise_for_status()
        books: Json = response.json()
        return books

    async def intents_of(self, checkout_id: str) -> list[Json]:
        """The ledger's intents of one checkout."""
        return [one for one in (await self.ledger())["intents"] if one["metadata"].get("checkout_id") == checkout_id]


@asynccontextmanager
async def sandbox_server(directory: Path, **environment: str) -> AsyncIterator[SandboxServer]:
    """A provider with its ledger in ``directory``; more of its settings may be given as environment variables."""
    with claim_free_port() as claim:
        server = SandboxServer(claim.port, directory / "sandbox-ledger.sqlite", environment)
        async with server.http:
            await server.start()
            try:
                yield server
            finally:
                await server.stop()
