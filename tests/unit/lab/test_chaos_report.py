"""What a campaign reports, to scripts and to people."""

import json

import pytest

from checkout_lab.chaos.campaign.recovery import Recovery
from checkout_lab.chaos.campaign.result import CampaignResult, by_fault, count, percentile
from checkout_lab.chaos.checker.books import Violation
from checkout_lab.chaos.progress import CampaignProgress
from checkout_lab.chaos.report import print_report

RECOVERIES = [Recovery(1, ("worker-kill", "api-kill"), 3.0, "chk_slow"), Recovery(2, ("worker-kill",), 1.0)]
CLEAN = CampaignResult(
    seed=7,
    checkouts=200,
    endings={"confirmed": 190, "cancelled": 10},
    faults={"worker-kill": 2, "api-kill": 1},
    violations=[],
    unfinished={},
    recoveries=RECOVERIES,
    capacity=12.0,
    rate=5.0,
    checks=90,
    seconds=100.0,
)
BROKEN = CampaignResult(
    seed=7,
    checkouts=1,
    endings={"compensating": 1},
    faults={},
    violations=[Violation("1: nothing is oversold", "MUG", "3 are reserved of 2")],
    unfinished={"chk_[1]": "compensating, its workflow open"},
    recoveries=[],
    capacity=12.0,
    rate=5.0,
    checks=1,
    seconds=1.0,
    kept="/somewhere/evidence",
)


def test_the_json_has_the_figures_that_are_promised() -> None:
    report = json.loads(json.dumps(CLEAN.as_json()))
    assert report["checkouts"] == 200
    assert report["endings"] == {"confirmed": 190, "cancelled": 10}
    assert report["faults"] == {"worker-kill": 2, "api-kill": 1}
    assert (report["violations"], report["unfinished"], report["seed"]) == (0, 0, 7)
    assert report["recovery_seconds"] == {"p50": 3.0, "p99": 3.0, "max": 3.0}


def test_each_fault_counts_with_the_recovery_of_its_turn() -> None:
    assert CLEAN.recovery_seconds == [1.0, 3.0, 3.0]
    assert by_fault(RECOVERIES) == {"api-kill": [3.0], "worker-kill": [1.0, 3.0]}


def test_a_violation_or_an_unfinished_checkout_spoils_it() -> None:
    assert CLEAN.is_clean
    assert not BROKEN.is_clean
    report = BROKEN.as_json()
    assert (report["violations"], report["unfinished"]) == (1, 1)
    assert report["violation_list"][0]["subject"] == "MUG"
    assert report["recovery_seconds"] == {"p50": 0.0, "p99": 0.0, "max": 0.0}


@pytest.mark.parametrize(("percent", "expected"), [(50, 2.0), (99, 4.0), (25, 1.0), (0, 1.0)])
def test_percentiles_are_values_that_were_measured(percent: float, expected: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], percent) == expected


def test_the_most_frequent_comes_first() -> None:
    assert list(count(["a", "b", "b"]).items()) == [("b", 2), ("a", 1)]


def test_people_read_endings_faults_and_a_plot(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(CLEAN)
    shown = capsys.readouterr().out
    for part in ("200 checkouts, 3 faults", "seed 7", "confirmed", "190", "worker-kill", "p99 3.0 s", "0 violations"):
        assert part in shown
    assert "┤" in shown


def test_people_read_what_is_wrong_and_where_the_evidence_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(BROKEN)
    shown = capsys.readouterr().out
    assert "1: nothing is oversold: MUG: 3 are reserved of 2" in shown
    assert "chk_[1]: compensating" in shown
    assert "/somewhere/evidence" in shown


def test_progress_leaves_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with CampaignProgress(10, 2) as progress:
        progress.says("worker-kill")
        progress.counts(5, 1, 0)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "worker-kill" in shown.err
