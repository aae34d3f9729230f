"""Our own processes within the stack: how each is called and configured, which is as in production."""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

import httpx

from checkout_lab.stack.processes.ports import HOST
from checkout_lab.stack.processes.process import Program
from checkout_lab.stack.secrets import DevSecrets

#: Where to and as whom is the stack's business; a production shell's settings of these groups must not leak in.
_OURS = (
    *("CHECKOUT_DATABASE_URL", "CHECKOUT_TEMPORAL_", "CHECKOUT_STRIPE_", "CHECKOUT_SANDBOX_"),
    *("CHECKOUT_API_HOST", "CHECKOUT_API_KEYS", "CHECKOUT_API_PORT", "CHECKOUT_API_URL"),
    *("CHECKOUT_WORKER_DEPLOYMENT_NAME", "CHECKOUT_WORKER_BUILD_ID"),
)


@dataclass(frozen=True)
class Ports:
    """The port of each server."""

    api: int = 8000
    temporal: int = 7233
    temporal_ui: int = 8233
    sandbox: int = 12111
    postgres: int = 54329
    worker: int = 8081


@dataclass(frozen=True)
class Plan:
    """What the processes of one stack are told. ``environment`` counts before the shell's, behind what we decide."""

    ports: Ports
    secrets: DevSecrets
    database_url: str
    namespace: str
    ledger: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """The API's base URL."""
        return f"http://{HOST}:{self.ports.api}"

    @property
    def sandbox_url(self) -> str:
        """The sandbox provider's base URL."""
        return f"http://{HOST}:{self.ports.sandbox}"

    @property
    def temporal_address(self) -> str:
        """host:port of Temporal's frontend."""
        return f"{HOST}:{self.ports.temporal}"

    @property
    def temporal_ui_url(self) -> str:
        """Temporal's web UI."""
        return f"http://{HOST}:{self.ports.temporal_ui}"

    def sandbox(self) -> Program:
        """The program of the sandbox provider."""
        settings = {
            "CHECKOUT_SANDBOX_HOST": HOST,
            "CHECKOUT_SANDBOX_PORT": str(self.ports.sandbox),
            "CHECKOUT_SANDBOX_LEDGER": self.ledger,
            "CHECKOUT_SANDBOX_WEBHOOK_URL": f"{self.api_url}/v1/webhooks/stripe",
            "CHECKOUT_SANDBOX_WEBHOOK_SECRET": self.secrets.webhook_secret,
        }
        return self._program("sandbox", self.ports.sandbox, "/healthz", settings)

    def worker(self, role: str = "worker") -> Program:
        """The worker, which gets longer to finish: its activities are under way. A second one has another ``role``."""
        settings = {
            **self._temporal(),
            "CHECKOUT_DATABASE_URL": self.database_url,
            "CHECKOUT_STRIPE_API_KEY": self.secrets.stripe_api_key,
            "CHECKOUT_STRIPE_API_BASE": self.sandbox_url,
            "CHECKOUT_PAYMENT_RETURN_URL": self._return_url(),
            "CHECKOUT_WORKER_HOST": HOST,
            "CHECKOUT_WORKER_PORT": str(self.ports.worker),
        }
        program = self._program("worker", self.ports.worker, "/healthz", settings, stop_timeout_seconds=35)
        return replace(program, role=role)

    def api(self) -> Program:
        """The program of the API."""
        keys = (f"storefront:storefront:{self.secrets.storefront_key}", f"support:support:{self.secrets.support_key}")
        settings = {
            **self._temporal(),
            "CHECKOUT_API_HOST": HOST,
            "CHECKOUT_API_PORT": str(self.ports.api),
            "CHECKOUT_API_KEYS": ",".join(keys),
            "CHECKOUT_ID_SECRET": self.secrets.id_secret,
            "CHECKOUT_STRIPE_WEBHOOK_SECRET": self.secrets.webhook_secret,
            "CHECKOUT_TEMPORAL_UI_URL": self.temporal_ui_url,
        }
        return self._program("api", self.ports.api, "/readyz", settings)

    def _return_url(self) -> str:
        """Where customers come back to from the bank's page: the shell's, for who has a shop of their own."""
        name = "CHECKOUT_PAYMENT_RETURN_URL"
        return self.environment.get(name) or os.environ.get(name) or f"{self.sandbox_url}/sandbox/returned"

    def _temporal(self) -> dict[str, str]:
        return {"CHECKOUT_TEMPORAL_ADDRESS": self.temporal_address, "CHECKOUT_TEMPORAL_NAMESPACE": self.namespace}

    def _program(
        self, role: str, port: int, health: str, settings: Mapping[str, str], *, stop_timeout_seconds: float = 15
    ) -> Program:
        return Program(
            role=role,
            # -P: a folder of the caller's that is named like one of our packages must not be taken for it.
            command=(sys.executable, "-P", "-m", "checkout.cli.main", role),
            port=port,
            is_ready=_responds(f"http://{HOST}:{port}{health}"),
            environment={**_inherited(), **self.environment, **settings},
            stop_timeout_seconds=stop_timeout_seconds,
        )


def _inherited() -> dict[str, str]:
    """The environment, with how long things wait, without where things are."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)} | {"PYTHONUNBUFFERED": "1"}


def _responds(url: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        try:
            # trust_env: a proxy of the shell has no business on loopback.
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                return (await client.get(url)).is_success
        except httpx.TransportError:
            return False

    return ask
