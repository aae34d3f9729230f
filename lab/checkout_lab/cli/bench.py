"""``checkout bench``: measures on a stack of its own, and reports."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from checkout.cli.failures import FAILED, give_up
from checkout.domain.errors import ConfigurationError
from checkout_lab.bench.environment.environment import BenchEnvironment, open_environment
from checkout_lab.bench.environment.machine import OthersWatch, describe_machine
from checkout_lab.bench.growth.growth import POINTS, Growth
from checkout_lab.bench.growth.memory import CHECKOUTS, measure_memory
from checkout_lab.bench.progress import Steps, shown_steps
from checkout_lab.bench.report import print_comparison, print_growth, print_memory
from checkout_lab.bench.results import comparison, endings, growth, pressure
from checkout_lab.bench.round_trips import count_round_trips
from checkout_lab.bench.rounds import CLIENTS, Rounds

_COUNTED: Final = 20
_CROWD: Final = CLIENTS["c32"]
#: Longer than any run, because a checkout that waits for its customer must not expire during the measurement.
_LONG_PAYMENT_WINDOW: Final = {"CHECKOUT_PAYMENT_WINDOW_SECONDS": "86400"}
MEMORY: Final = "memory"
KINDS: Final = (*POINTS, MEMORY)


@dataclass(frozen=True)
class Options:
    """What is asked for. ``growth`` None compares with the baseline; ``points`` None are the usual ones."""

    rounds: int
    seconds: float
    workers: int
    webhooks: bool
    growth: str | None = None
    points: tuple[int, ...] | None = None


def read_options(
    rounds: int, seconds: float, workers: int, webhooks: bool, growth: str | None, points: str | None
) -> Options:
    """The options of the command line.

    Raises:
        ConfigurationError: there is no such growth, or the points are no rising numbers.
    """
    if growth is not None and growth not in KINDS:
        raise ConfigurationError(f"--growth: write one of {', '.join(KINDS)}")
    if points is None:
        return Options(rounds, seconds, workers, webhooks, growth)
    if growth is None or not re.fullmatch(r"\d{1,8}(,\d{1,8})*", points):
        raise ConfigurationError("--points: write numbers with commas between them, such as 1000,10000, with --growth")
    amounts = tuple(int(number) for number in points.split(","))
    if list(amounts) != sorted(set(amounts)):
        raise ConfigurationError("--points: each is more than the one before it")
    return Options(rounds, seconds, workers, webhooks, growth, amounts)


def run_bench(options: Options, *, as_json: bool) -> None:
    """Measure, print the report, and exit with 1 when a checkout did not end as it should.

    Raises:
        StackError: the stack does not start; nothing is measured.
        BenchError: a process died during the measurement; nothing is reported.
    """
    try:
        report = asyncio.run(_run(options))
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
    if as_json:
        print(json.dumps(report))  # noqa: T201
    else:
        _printer(options.growth)(report)
    if not report["ended"]["as_wanted"]:
        give_up(FAILED, f"not every checkout ended as it should: {report['ended']}")


def _printer(what: str | None) -> Callable[[dict[str, Any]], None]:
    if what is None:
        return print_comparison
    return print_memory if what == MEMORY else print_growth


async def _run(options: Options) -> dict[str, Any]:
    _end_on_sigterm()
    with shown_steps() as steps:
        steps.begin("starting the stack")
        async with open_environment(
            workers=options.workers, webhooks=options.webhooks, settings=_LONG_PAYMENT_WINDOW
        ) as environment:
            others = OthersWatch(environment.processes)
            figures = await _measure(options, environment, steps)
            return {
                **figures,
                "ended": await endings(environment),
                "pressure": pressure(environment),
                "machine": describe_machine(await environment.database.version()) | {"others_share": others.share()},
                "settings": asdict(options),
            }


async def _measure(options: Options, environment: BenchEnvironment, steps: Steps) -> dict[str, Any]:
    if options.growth is None:
        measured = await Rounds(environment, options.seconds, steps).run(options.rounds)
        steps.begin("counting round trips")
        return comparison(measured) | {"round_trips": await count_round_trips(environment, _COUNTED, _CROWD)}
    if options.growth == MEMORY:
        return await measure_memory(environment, (options.points or (CHECKOUTS,))[-1], steps)
    amounts = options.points or POINTS[options.growth]
    points = await Growth(environment, options.seconds, options.rounds, steps).run(options.growth, amounts)
    return growth(options.growth, points)


def _end_on_sigterm() -> None:
    """Have SIGTERM end the run as Ctrl-C does, the servers with it."""
    task = asyncio.current_task()
    if task:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
