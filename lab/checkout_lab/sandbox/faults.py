"""Faults of the whole provider, as set by ``POST /sandbox/faults``. They last until changed or until it restarts."""

import asyncio
from dataclasses import asdict, dataclass, fields
from secrets import SystemRandom
from typing import Any

from checkout_lab.sandbox.errors import crash, unavailable

WEBHOOK_MODES = ("normal", "off", "duplicate", "shuffle")
ACCOUNTS = ("normal", "cannot_charge", "other")
_MAX_LATENCY_MS = 600_000


@dataclass
class Faults:
    """What goes wrong at the moment.

    ``error_rate`` responds 500 before anything is executed, ``lost_response_rate`` executes and then closes the
    connection; both are probabilities. ``outage`` is 503 for everything. ``webhooks`` off holds events back,
    duplicate delivers each of them twice, shuffle delivers them late and in any order. ``account`` cannot_charge
    refuses every confirmation, other takes every key for one of another account. ``recovered`` tells whether the
    payment methods that fail until recovery have recovered; unlike the rest it is kept in the ledger.
    """

    error_rate: float = 0.0
    lost_response_rate: float = 0.0
    latency_ms: int = 0
    outage: bool = False
    webhooks: str = "normal"
    account: str = "normal"
    recovered: bool = False

    def set(self, changes: object) -> None:
        """Change some of it, or nothing if any of the changes is wrong.

        Raises:
            ValueError: a field is unknown or malformed; the text names it.
        """
        if not isinstance(changes, dict):
            raise ValueError("send a JSON object")  # noqa: TRY004 - one kind of error for whoever sent it
        known = {field.name for field in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"{name}: there is no such fault; there are {', '.join(sorted(known))}")
            _check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """Every fault with its value, for ``GET /sandbox/faults``."""
        return asdict(self)

    async def before_execution(self) -> None:
        """Be slow, or refuse.

        Raises:
            ApiError: the provider is out, or fails this time.
        """
        if self.latency_ms:
            await asyncio.sleep(self.latency_ms / 1000)
        if self.outage:
            raise unavailable()
        if self.error_rate and SystemRandom().random() < self.error_rate:
            raise crash(saved=False)

    def loses_response(self) -> bool:
        """Whether this response gets lost."""
        return bool(self.lost_response_rate) and SystemRandom().random() < self.lost_response_rate


def _check(name: str, value: object) -> None:
    if name in ("error_rate", "lost_response_rate"):
        good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
        rule = "a number from 0 to 1"
    elif name == "latency_ms":
        good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_LATENCY_MS
        rule = f"whole milliseconds from 0 to {_MAX_LATENCY_MS}"
    elif name in ("outage", "recovered"):
        good, rule = isinstance(value, bool), "true or false"
    else:
        choices = ACCOUNTS if name == "account" else WEBHOOK_MODES
        good, rule = value in choices, f"one of {', '.join(choices)}"
    if not good:
        raise ValueError(f"{name}: must be {rule}")
