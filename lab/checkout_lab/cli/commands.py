"""The laboratory's commands and their options. Each one's work, and what it imports, is elsewhere.

The product's ``checkout`` finds them by the entry point of the distribution `durable-checkout-lab`.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from checkout.cli.failures import explained

_Port = Annotated[int | None, typer.Option(min=1, max=65535, metavar="PORT")]


def register(app: typer.Typer) -> None:
    """Add the laboratory's commands to those of the product."""
    for command in (dev, sandbox, chaos, bench):
        app.command()(command)


def dev(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the data is.  [default: .checkout]")] = None,
    ephemeral: Annotated[bool, typer.Option(help="Free ports and throw-away data, gone at exit.")] = False,
    json: Annotated[bool, typer.Option("--json", help="When ready, print one JSON line instead of the URLs.")] = False,
    api_port: _Port = None,
    temporal_port: _Port = None,
    temporal_ui_port: _Port = None,
    sandbox_port: _Port = None,
    postgres_port: _Port = None,
    worker_port: _Port = None,
) -> None:
    """Run everything on this machine: PostgreSQL, Temporal, the sandbox provider, a worker, the API.

    Ctrl-C stops all of it. The usual ports are 8000 (API), 7233 and 8233 (Temporal and its UI), 12111 (sandbox),
    54329 (PostgreSQL) and 8081 (the worker's health).
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
    checkouts: Annotated[int, typer.Option(min=1, metavar="N", help="At least so many checkouts.")] = 200,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="S", help="What everything is drawn from; any if not given.")
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option(metavar="N|NAME…", help="How many faults, of which kinds; 20 of all if not given."),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="More names for --faults.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="R", help="Checkouts a second; below half of what is measured if not given."),
    ] = None,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep all data there, whatever comes of it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON line.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the faults, and do nothing.")] = False,
) -> None:
    """Buy from a shop of its own while everything in it is killed, cut off and broken; check that nothing is lost.

    Exit status: 0 all is well; 1 something is wrong or unfinished, and then everything is kept for study.
    """
    with explained():
        from checkout_lab.cli.chaos import list_faults, run_chaos  # noqa: PLC0415

        if list_:
            return list_faults()
        words = [*(faults or []), *(more or [])] or ["20"]
        return run_chaos(checkouts=checkouts, seed=seed, faults=words, rate=rate, keep=keep, as_json=json)


def bench(
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON line.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured; medians count.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each piece of load is offered.")] = 10,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")] = 1,
    webhooks: Annotated[bool, typer.Option(help="Whether the provider sends its events, as it does.")] = True,
    growth: Annotated[
        str | None, typer.Option(metavar="WHAT", help="Instead: cost against orders, open, lines, workers or memory.")
    ] = None,
    points: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Amounts at which the growth is measured.")
    ] = None,
) -> None:
    """Measure what a checkout costs, beside a bare workflow of four empty activities, and beside a checkout's own steps
    with nothing in them, on the same servers.

    It starts a stack of its own, on free ports and throw-away data. Exit status: 0 measured; 1 a checkout did not end
    confirmed, or the stack did not start or did not live through it, and then nothing is reported.
    """
    with explained():
        from checkout_lab.cli.bench import read_options, run_bench  # noqa: PLC0415

        run_bench(read_options(rounds, seconds, workers, webhooks, growth, points), as_json=json)
