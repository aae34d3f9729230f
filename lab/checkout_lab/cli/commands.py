"""The laboratory's commands and their options. Each one's work, and what it imports, is elsewhere.

The product's ``checkout`` finds them by the entry point of the distribution `durable-checkout-lab`.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from checkout.cli.failures import explained


def _port(of: str, default: int) -> Any:
    # Rich takes [brackets] in a help text as markup and drops them; so a default stands in parentheses.
    return typer.Option(min=1, max=65535, metavar="PORT", help=f"Port of {of} (default: {default}).")


def register(app: typer.Typer) -> None:
    """Add the laboratory's commands to those of the product."""
    for command in (dev, sandbox, chaos, bench):
        app.command()(command)


def dev(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the data is (default: .checkout).")] = None,
    ephemeral: Annotated[bool, typer.Option(help="Use free ports and temporary data, deleted at exit.")] = False,
    json: Annotated[bool, typer.Option("--json", help="When ready, print one JSON line instead of the URLs.")] = False,
    api_port: Annotated[int | None, _port("the API", 8000)] = None,
    temporal_port: Annotated[int | None, _port("Temporal", 7233)] = None,
    temporal_ui_port: Annotated[int | None, _port("the Temporal UI", 8233)] = None,
    sandbox_port: Annotated[int | None, _port("the sandbox provider", 12111)] = None,
    postgres_port: Annotated[int | None, _port("PostgreSQL", 54329)] = None,
    worker_port: Annotated[int | None, _port("the worker's health check", 8081)] = None,
) -> None:
    """Run everything on this machine: PostgreSQL, Temporal, the sandbox provider, a worker, the API.

    Ctrl-C stops all of it.
    """
    if ephemeral and data:
        raise typer.BadParameter("an ephemeral stack keeps no data", param_hint="--data")
    wanted = {
        "api": api_port,
        "temporal": temporal_port,
        "temporal_ui": temporal_ui_port,
        "sandbox": sandbox_port,
        "postgres": postgres_port,
        "worker": worker_port,
    }
    with explained():
        from checkout_lab.cli.dev import run_stack  # noqa: PLC0415

        ports = {role: port for role, port in wanted.items() if port is not None}
        run_stack(None if ephemeral else data or Path(".checkout"), ports, as_json=json)


def sandbox() -> None:
    """Run the sandbox payment provider, configured by the environment. For development and tests only."""
    with explained():
        from checkout_lab.sandbox.__main__ import main as run_sandbox  # noqa: PLC0415

        sys.exit(run_sandbox())


def chaos(  # noqa: PLR0913, PLR0917 - one parameter an option
    checkouts: Annotated[int, typer.Option(min=1, metavar="N", help="Start at least this many checkouts.")] = 200,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="S", help="Seed of the schedule and the customers (default: random).")
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option(metavar="N|NAME…", help="Number or names of faults (default: 20 of any kind)."),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="More names for --faults.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="R", help="Checkouts per second (default: below half of the measured capacity)."),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the data in this directory, also after success.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON line.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the faults, and do nothing.")] = False,
) -> None:
    """Buy from a shop of its own while everything in it is killed, cut off and broken; check that nothing is lost.

    Exit status: 0 all is well; 1 something is wrong or unfinished, and then the data is kept.
    """
    with explained():
        from checkout_lab.cli.chaos import list_faults, run_chaos  # noqa: PLC0415

        if list_:
            return list_faults()
        words = [*(faults or []), *(more or [])] or ["20"]
        return run_chaos(checkouts=checkouts, seed=seed, faults=words, rate=rate, keep=keep, as_json=json)


def bench(
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON line.")] = False,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often everything is measured; the report has the medians.")
    ] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="How many seconds each part of the load lasts.")] = 10,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")] = 1,
    webhooks: Annotated[bool, typer.Option(help="Send the provider's events (default).")] = True,
    growth: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT", help="Measure instead how the cost grows with orders, open, lines, workers or memory."
        ),
    ] = None,
    points: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Amounts at which the growth is measured.")
    ] = None,
) -> None:
    """Measure what a checkout costs, beside a bare workflow of four empty activities, and beside a checkout's own steps
    with nothing in them, on the same servers.

    It starts a stack of its own, on free ports and temporary data. Exit status: 0 measured; 1 a checkout did not end
    confirmed, or the stack did not start or a process died, and then nothing is reported.
    """
    with explained():
        from checkout_lab.cli.bench import read_options, run_bench  # noqa: PLC0415

        run_bench(read_options(rounds, seconds, workers, webhooks, growth, points), as_json=json)
