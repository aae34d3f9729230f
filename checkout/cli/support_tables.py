"""What support reads in a terminal: tables for people, JSON for scripts."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Json = Mapping[str, Any]

_COLOURS: Final = {
    "confirmed": "green",
    "awaiting_payment": "yellow",
    "payment_stuck": "bold red",
    "compensation_stuck": "bold red",
}
_COMMANDS: Final = {
    "retry_payment": "checkout support retry {id} --reason …",
    "resolve_payment": "checkout support resolve {id} --outcome captured|not_charged --reason …",
    "cancel": "checkout support cancel {id} --reason …",
}


def print_json(response: Json) -> None:
    """The response as one line."""
    print(json.dumps(response))  # noqa: T201


def print_list(response: Json) -> None:
    """A page of checkouts as a table."""
    console = _console()
    rows = response["checkouts"]
    if rows:
        console.print(_list_table(rows))
    else:
        console.print("No checkout matches.")
    if response["next_cursor"]:
        console.print(f"There are more: --cursor {response['next_cursor']}", soft_wrap=True)
    if response["mismatches"]:
        console.print(
            f"[bold red]{response['mismatches']} mismatches[/] wait for a person: `checkout reconcile` lists them."
        )


def print_detail(response: Json) -> None:
    """A checkout, what happened to it, and what may be done."""
    console = _console()
    print_view(response)
    for name, value in (("workflow", response["workflow"]), ("Temporal UI", response["temporal_ui_url"])):
        if value:
            console.print(f"  {name:<12} {escape(value)}", soft_wrap=True)
    if response["timeline"] is None:
        console.print("\nNo worker responds, so there is no timeline; the statuses are the last that Temporal knows.")
    else:
        console.print()
        console.print(_timeline_table(response["timeline"]))
    if response["can"]:
        console.print("\nWhat may be done:")
    for action in response["can"]:
        console.print(f"  {_COMMANDS[action].format(id=response['id'])}", soft_wrap=True)


def print_view(view: Json) -> None:
    """The checkout itself, a fact a line."""
    console = _console()
    payment = view["payment"]
    said = [payment["status"], payment["decline_code"], f"attempts: {payment['attempts']}"]
    facts = (
        ("status", view["status"] + (f" ({view['reason']})" if view["reason"] else "")),
        ("payment", ", ".join(part for part in said if part)),
        ("order", view["order_number"]),
        ("customer", view["customer_id"]),
        ("cart", view["cart_id"]),
        ("total", None if view["total_minor"] is None else f"{view['total_minor']} {view['currency']} (minor units)"),
        ("lines", ", ".join(f"{line['quantity']} x {line['sku']}" for line in view["lines"])),
        ("created", _time(view["created_at"])),
        ("updated", _time(view["updated_at"])),
    )
    console.print(f"[bold]{view['id']}[/]")
    for name, value in facts:
        if value:
            # soft_wrap: a line that was broken up could not be searched or copied.
            console.print(f"  {name:<12} {escape(value)}", soft_wrap=True)


def _list_table(rows: list[Json]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("CREATED", "CHECKOUT", "STATUS", "PAYMENT", "ORDER", "CUSTOMER"):
        table.add_column(name, overflow="fold")
    for row in rows:
        status = _status(row["status"])
        if row["workflow"] not in ("running", "completed"):
            status += f" [bold red]({row['workflow']})[/]"
        cells = (row["payment_status"], row["order_number"] or "-", row["customer_id"] or "-")
        table.add_row(_time(row["created_at"]), row["id"], status, *map(escape, cells))
    return table


def _timeline_table(entries: list[Json]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("AT", "KIND", "WHAT", "ACTOR", "REASON"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        cells = (entry["kind"], entry["what"], entry["actor"], entry["reason"] or "")
        table.add_row(_time(entry["at"]), *map(escape, cells))
    return table


def _status(status: str) -> str:
    colour = _COLOURS.get(status)
    return f"[{colour}]{status}[/]" if colour else status


def _time(text: str) -> str:
    """To the second, in UTC, which is what everything else is in."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%SZ")


def _console() -> Console:
    return Console(highlight=False)
