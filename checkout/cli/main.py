"""``checkout``: the commands and their options. Each command's work, and what it imports, is elsewhere."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated, Final

import typer

from checkout.cli import support
from checkout.cli.failures import MISUSED, explained, give_up

#: The entry points by which a distribution adds commands: each is called with the `typer.Typer` to add them to.
LABORATORY_COMMANDS_GROUP: Final = "checkout.commands"
LABORATORY_COMMANDS: Final = ("dev", "sandbox", "chaos", "bench")

app = typer.Typer(
    name="checkout",
    help="A durable checkout: one Temporal workflow per order.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
catalog = typer.Typer(help="The articles, their prices and their stock.", no_args_is_help=True)
app.add_typer(catalog, name="catalog")
app.add_typer(support.app, name="support")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"checkout {version('durable-checkout')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def api() -> None:
    """Run one API process, configured by the environment."""
    with explained():
        from checkout.cli.api import run_api  # noqa: PLC0415

        run_api()


@app.command()
def worker() -> None:
    """Run one worker process, configured by the environment."""
    with explained():
        from worker import run  # noqa: PLC0415

        run()


@app.command()
def migrate() -> None:
    """Bring the schema to head, register Temporal's search attributes, schedule reconciliation. Safe to run twice."""
    with explained():
        from checkout.cli.migrate import bring_to_head  # noqa: PLC0415

        bring_to_head()


@app.command()
def reconcile(
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON line.")] = False,
    worker_timeout: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How long to wait for a worker.")
    ] = 15,
    timeout: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="How long the report may take.")] = 600,
) -> None:
    """Compare stock, orders and payments with each other and with the provider's ledger, and show each mismatch.

    Mismatches that are safe to repair are repaired. Exit status: 0 everything agrees; 1 something did not, repaired or
    not.
    """
    with explained():
        from checkout.cli.reconcile import run_reconcile  # noqa: PLC0415

        run_reconcile(as_json=json, worker_seconds=worker_timeout, wait_seconds=timeout)


@catalog.command("import")
def catalog_import(file: Annotated[Path, typer.Argument(metavar="FILE.csv")]) -> None:
    """Insert or update articles: sku,name,price_minor,currency,on_hand. All of them or, on any bad row, none."""
    with explained():
        from checkout.cli.catalog import import_file  # noqa: PLC0415

        import_file(file)


@dataclass(frozen=True)
class _LaboratoryCommand:
    """Stands in for a command of the laboratory that is not installed, and says where it comes from."""

    name: str

    def __call__(self) -> None:
        give_up(
            MISUSED,
            f"{self.name} is a command of the laboratory, which is not installed. It comes with the source tree: "
            f"run `make setup` there, then `.venv/bin/checkout {self.name}`; or run `make wheel` there, and install "
            "the laboratory's wheel from dist/.",
        )


def add_laboratory(to: typer.Typer, registrations: Iterable[Callable[[typer.Typer], object]]) -> None:
    """Add the laboratory's commands; in place of each that no distribution adds, one that says where it comes from."""
    for register in registrations:
        register(to)
    present = {command.name or getattr(command.callback, "__name__", None) for command in to.registered_commands}
    anything = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    for name in LABORATORY_COMMANDS:
        if name not in present:
            to.command(name, context_settings=anything, help="(in the laboratory, not installed)")(
                _LaboratoryCommand(name).__call__
            )


add_laboratory(app, (each.load() for each in entry_points(group=LABORATORY_COMMANDS_GROUP)))


def main() -> None:
    """Run the command line of this process."""
    try:
        app()
    except SystemExit as end:
        _leave(end)


def _leave(end: SystemExit) -> None:
    """End the process with this status and no other.

    The threads of Temporal's SDK outlive the client. One that comes back to Python while the interpreter is being taken
    down aborts the process, and a command that has done its work would seem to have failed.
    """
    if "temporalio.bridge.temporal_sdk_bridge" not in sys.modules or not isinstance(end.code, int):
        raise end
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end.code)


if __name__ == "__main__":
    main()
