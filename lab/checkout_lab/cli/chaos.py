"""``checkout chaos``: a campaign of faults against a shop of its own, and what came of it."""

import asyncio
import json
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from checkout.cli.failures import FAILED
from checkout.domain.errors import ConfigurationError
from checkout_lab.chaos.campaign.campaign import CampaignParameters, run_campaign
from checkout_lab.chaos.campaign.result import CampaignResult
from checkout_lab.chaos.faults.catalogue import FAULTS
from checkout_lab.chaos.progress import CampaignProgress
from checkout_lab.chaos.report import print_report
from checkout_lab.chaos.schedule import plan


def list_faults() -> None:
    """Every kind of fault, where it is made and what it is."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("FAULT", "WHERE", "WHAT"):
        table.add_column(heading)
    for fault in FAULTS.values():
        table.add_row(fault.name, fault.where, fault.what)
    Console(highlight=False).print(table)


def run_chaos(
    *,
    checkouts: int,
    seed: int | None,
    faults: Sequence[str],
    rate: float | None,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Run a campaign, show its report, and exit with 1 when anything was violated or is unfinished.

    Raises:
        ConfigurationError: a fault is unknown, or the directory to keep has something in it.
        StackError: the servers cannot start.
    """
    number, names = read_faults(faults)
    seed = secrets.randbelow(10**9) if seed is None else seed
    try:
        schedule = plan(seed, number, names)
    except ValueError as error:
        raise ConfigurationError(f"--faults: {error}") from None
    directory = _directory(keep)
    sys.stderr.write(f"seed {seed}, data in {directory}\n")
    result = _run(CampaignParameters(checkouts, schedule, seed, rate), directory, throw_away=keep is None)
    (_print_json if as_json else print_report)(result)
    sys.exit(0 if result.is_clean else FAILED)


def read_faults(words: Sequence[str]) -> tuple[int, list[str] | None]:
    """How many faults, and of which kinds (None: all), from numbers and names in any order.

    Names without a number are one fault each.

    Raises:
        ConfigurationError: more than one number.
    """
    parts = [part for word in words for part in word.replace(",", " ").split()]
    numbers = [part for part in parts if part.isdigit()]
    names = [part for part in parts if not part.isdigit()]
    if len(numbers) > 1:
        raise ConfigurationError(f"--faults: how many, {' or '.join(numbers)}?")
    if numbers:
        return int(numbers[0]), names or None
    return len(names), names or None


def _directory(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="checkout-chaos-"))
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ConfigurationError(f"--keep: {keep} is there already, and a campaign needs a directory of its own")
    keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    return keep.resolve()


def _run(parameters: CampaignParameters, directory: Path, *, throw_away: bool) -> CampaignResult:
    """Run it; its data is thrown away when it went well and nobody wants it."""
    clean = False
    try:
        with CampaignProgress(parameters.checkouts, len(parameters.schedule)) as progress:
            result = asyncio.run(_until_told_to_stop(parameters, directory, progress))
        clean = result.is_clean
    except (KeyboardInterrupt, asyncio.CancelledError):
        clean = True  # Told to stop: there is nothing to find out.
        raise KeyboardInterrupt from None
    finally:
        if throw_away and clean:
            shutil.rmtree(directory, ignore_errors=True)
    kept = "" if throw_away and clean else str(directory)
    return replace(result, kept=kept)


async def _until_told_to_stop(
    parameters: CampaignParameters, directory: Path, progress: CampaignProgress
) -> CampaignResult:
    """The campaign. SIGTERM and the end of the terminal stop it as Ctrl-C does, and every process with it."""
    campaign = asyncio.ensure_future(run_campaign(parameters, directory, progress))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup the end of the terminal is nothing to stop for.
        if signal.getsignal(number) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, campaign.cancel)
    return await campaign


def _print_json(result: CampaignResult) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(result.as_json()))  # noqa: T201
