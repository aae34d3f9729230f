"""How a recovery is measured, and how the command reads what it is asked for."""

import asyncio
import random
import time

import pytest
from typer.testing import CliRunner

from checkout.cli.main import app
from checkout.domain.errors import ConfigurationError
from checkout_lab.chaos.campaign.recovery import recover
from checkout_lab.chaos.checker.promise_checks import Promise
from checkout_lab.chaos.faults.catalogue import FAULTS
from checkout_lab.chaos.load.scenarios import draw_simple
from checkout_lab.chaos.load.shopper import Session
from checkout_lab.cli.chaos import read_faults


def session(status: str, name: str = "chk_a") -> Session:
    scenario = draw_simple(random.Random(1), "key")
    made = Session(scenario, Promise(scenario.key, scenario.body, {name}))
    made.sees(status)
    return made


async def test_what_rests_already_has_nothing_to_recover_from() -> None:
    recovery = await recover(1, ("worker-kill",), [session("confirmed"), session("awaiting_payment")])
    assert (recovery.seconds, recovery.slowest) == (0.0, "")


async def test_a_recovery_lasts_until_the_slowest_rests() -> None:
    quick, slow = session("processing"), session("compensating", "chk_slow")
    measuring = asyncio.create_task(recover(1, ("worker-kill",), [quick, slow]))
    started = time.monotonic()
    await asyncio.sleep(0)
    quick.sees("confirmed")
    slow.sees("cancelled")
    recovery = await measuring
    assert recovery.slowest == "chk_slow"
    assert 0 < recovery.seconds <= time.monotonic() - started


async def test_what_took_time_by_design_is_measured_from_when_it_was_due() -> None:
    designed = session("processing")
    designed.due_at = time.monotonic() + 3600
    measuring = asyncio.create_task(recover(1, ("worker-kill",), [designed]))
    await asyncio.sleep(0)
    designed.sees("confirmed")
    assert (await measuring).seconds == 0.0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["20"], (20, None)),
        (["worker-kill,api-kill"], (2, ["worker-kill", "api-kill"])),
        (["30", "worker-kill api-kill"], (30, ["worker-kill", "api-kill"])),
        (["0"], (0, None)),
    ],
)
def test_faults_are_a_number_or_names_or_both(words: list[str], expected: tuple[int, list[str] | None]) -> None:
    assert read_faults(words) == expected


def test_two_numbers_of_faults_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="how many, 2 or 3"):
        read_faults(["2", "3"])


def test_every_fault_is_listed() -> None:
    listed = CliRunner().invoke(app, ["chaos", "--list"])
    assert listed.exit_code == 0
    assert [name for name in FAULTS if name not in listed.stdout] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--faults", "worker-tickle"], "worker-kill"),
        (["--checkouts", "0"], "--checkouts"),
        (["--keep", "tests"], "--keep"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_started(options: list[str], said: str) -> None:
    refused = CliRunner().invoke(app, ["chaos", *options])
    assert refused.exit_code == 2
    assert said in refused.output
