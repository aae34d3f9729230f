"""``checkout dev``: runs a stack until it is told to stop, and says where everything is."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from checkout_lab.stack.stack import Stack, StackInfo, open_stack


def run_stack(data: Path | None, ports: dict[str, int], *, as_json: bool) -> None:
    """Run everything until Ctrl-C, SIGTERM or the end of the terminal; ``data`` None is an ephemeral stack.

    Raises:
        StackError: it cannot start.
    """
    asyncio.run(_run(data, ports, _print_json if as_json else _welcome(data)))


async def _run(data: Path | None, ports: dict[str, int], show: Callable[[StackInfo], None]) -> None:
    signals = _Signals()
    with open_stack(data, ports) as stack:
        signals.on_second = stack.kill
        try:
            await _start_and_wait(stack, signals.told_to_stop, show)
        finally:
            await stack.stop()


async def _start_and_wait(stack: Stack, told_to_stop: asyncio.Event, show: Callable[[StackInfo], None]) -> None:
    starting = asyncio.create_task(stack.start())
    stopping = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        show(starting.result())
        await stopping
    else:
        print("checkout: stopping before everything was up", file=sys.stderr)  # noqa: T201
        starting.cancel()
        await asyncio.wait([starting])


class _Signals:
    """Ctrl-C and its kin: the first asks everything to finish, the second kills it."""

    def __init__(self) -> None:
        self.told_to_stop = asyncio.Event()
        self.on_second: Callable[[], None] = lambda: None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._take)

    def _take(self) -> None:
        if self.told_to_stop.is_set():
            self.on_second()
        self.told_to_stop.set()


def _print_json(info: StackInfo) -> None:
    print(json.dumps(asdict(info)), flush=True)  # noqa: T201


def _welcome(data: Path | None) -> Callable[[StackInfo], None]:
    def show(info: StackInfo) -> None:
        console = Console(highlight=False)
        console.print("\n[bold green]The checkout is running.[/]\n")
        for name, value in _places(info, data):
            # soft_wrap: a URL that was broken into lines could not be clicked or copied.
            console.print(f"  [bold]{name:<15}[/] {value}", soft_wrap=True)
        console.print("\nBuy two mugs (paste this into another terminal):\n")
        # Written as it is: a wrapped or styled command could not be pasted.
        print(curl(info), flush=True)  # noqa: T201
        console.print("\nThen look at the workflow in the Temporal UI. [bold]Ctrl-C[/] stops everything.\n")

    return show


def _places(info: StackInfo, data: Path | None) -> list[tuple[str, str]]:
    return [
        ("API", f"{info.api_url}  (documentation: {info.api_url}/docs)"),
        ("Temporal UI", f"{info.temporal_ui_url}/namespaces/{info.temporal_namespace}/workflows"),
        ("Temporal", f"{info.temporal_address}, namespace {info.temporal_namespace}"),
        ("Sandbox ledger", f"{info.sandbox_url}/sandbox/ledger"),
        ("PostgreSQL", info.database_url),
        ("Storefront key", info.storefront_key),
        ("Support key", info.support_key),
        ("Data", f"{data.resolve()}  (logs in logs/)" if data else "thrown away at exit"),
    ]


def curl(info: StackInfo) -> str:
    """A command that buys something. Each second has a key of its own, so that pasting it again buys again."""
    body = {
        "customer_id": "cus_42",
        "currency": "EUR",
        "lines": [{"sku": "MUG-WHITE", "quantity": 2}],
        "payment_method": "pm_card_visa",
    }
    return (
        f"curl -sS {info.api_url}/v1/checkouts \\\n"
        f"  -H 'Authorization: Bearer {info.storefront_key}' \\\n"
        f'  -H "Idempotency-Key: first-order-$(date +%s)" \\\n'
        f"  -H 'Prefer: wait=10' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps(body)}'"
    )
