"""What finds mutations: the exhaustive tests, and campaigns. Each runs in a copy of the product."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from xml.etree import ElementTree

from tests.mutation.mutation import Campaign, Mutation
from tests.mutation.product_copy import ROOT, ProductCopy, Ran

_TESTS = "tests/exhaustive/test_every_step.py"
_CASE = f"{_TESTS}::test_a_checkout_with_injected_faults_ends_as_expected"
_AFTERWARDS = re.compile(r"def (test_afterwards_\w+)")
_TESTS_TIMEOUT_SECONDS = 600
_CAMPAIGN_TIMEOUT_SECONDS = 900
#: The exit status of pytest and of a campaign when something is wrong with the product.
_FOUND = 1
#: Where pytest shows what is wrong: behind the plans of a run's faults; in a run without faults; in a list of
#: mismatches; in a list of violations.
_WRONG = (
    re.compile(r"\)\}: (.+?)(?:[\"'](?:, [\"'].*|\].*)?)?$", re.MULTILINE),
    re.compile(r"complaints=\[[\"']([^\"']+)"),
    re.compile(r"detail='([^']+)"),
    re.compile(r"(?:more item|extra item): [\"']([^\"'\n]+)"),
)


class DetectorBroken(Exception):
    """It could not do its work, so it neither found anything nor found that all is well."""


@dataclass(frozen=True)
class Detection:
    """What one detector came to with one copy. ``findings`` maps who says so to what; empty when all seemed well."""

    by: str
    seconds: float
    findings: dict[str, str]


@cache
def case_ids() -> list[str]:
    """The ids of the exhaustive tests' cases, as pytest collects them.

    Raises:
        DetectorBroken: they could not be collected.
    """
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-header", "-p", "no:cacheprovider", _TESTS]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if collected.returncode != 0:
        raise DetectorBroken(f"the exhaustive tests were not collected:\n{collected.stdout}{collected.stderr}")
    return [
        line.removeprefix(f"{_CASE}[").removesuffix("]")
        for line in collected.stdout.splitlines()
        if line.startswith(_CASE)
    ]


def matching(patterns: Sequence[str]) -> list[str]:
    """The ids of the exhaustive tests that match one of the patterns.

    Raises:
        LookupError: one of them matches none.
    """
    ids = case_ids()
    for pattern in patterns:
        if not any(fnmatchcase(one, pattern) for one in ids):
            raise LookupError(f"no exhaustive test matches {pattern}")
    return [one for one in ids if any(fnmatchcase(one, pattern) for pattern in patterns)]


def run_exhaustive(copy: ProductCopy, patterns: Sequence[str]) -> Detection:
    """Run the exhaustive tests that match, and what is asked after them.

    Raises:
        DetectorBroken: they did not come to an end, or could not be run.
    """
    report = copy.root / "report.xml"
    afterwards = _AFTERWARDS.findall((copy.root / _TESTS).read_text())
    tests = [*(f"{_CASE}[{one}]" for one in matching(patterns)), *(f"{_TESTS}::{name}" for name in afterwards)]
    options = ["-q", "-p", "no:cacheprovider", "--no-header", f"--junit-xml={report}"]
    began = time.monotonic()
    ran = copy.run([sys.executable, "-P", "-m", "pytest", *options, *tests], _TESTS_TIMEOUT_SECONDS)
    _see_that_it_worked(ran, "pytest")
    return Detection("exhaustive", time.monotonic() - began, read_junit(report.read_text()))


def read_junit(text: str) -> dict[str, str]:
    """The tests that failed, or could not even be prepared, each with the first thing that it says is wrong."""
    found = {}
    for case in ElementTree.fromstring(text).iter("testcase"):
        for kind in ("failure", "error"):
            if (wrong := case.find(kind)) is not None:
                found[_short(case.get("name", ""))] = _first(wrong.get("message", ""), wrong.text or "")
    return found


def run_campaign(copy: ProductCopy, campaign: Campaign) -> Detection:
    """Run a campaign.

    Raises:
        DetectorBroken: it did not come to an end, or could not be run.
    """
    words = ["--checkouts", str(campaign.checkouts), "--seed", str(campaign.seed), "--faults", *campaign.faults.split()]
    command = [sys.executable, "-P", "-m", "checkout.cli.main", "chaos", "--json", *words]
    began = time.monotonic()
    ran = copy.run(command, _CAMPAIGN_TIMEOUT_SECONDS)
    _see_that_it_worked(ran, "the campaign")
    return Detection("campaign", time.monotonic() - began, read_report(_last_json(ran.output)))


def read_report(report: dict[str, object]) -> dict[str, str]:
    """The checks that were violated, each with the first of its violations; and what never ended."""
    found: dict[str, str] = {}
    violations, unfinished = report["violation_list"], report["unfinished_list"]
    if not isinstance(violations, list) or not isinstance(unfinished, dict):
        raise DetectorBroken("the campaign's report is not one")
    for one in violations:
        found.setdefault(str(one["check"]), str(one["detail"]))
    if unfinished:
        found["10: every accepted checkout ends"] = str(next(iter(unfinished.values())))
    return found


def detections(copy: ProductCopy, mutation: Mutation, by: str) -> list[Detection]:
    """What the wanted detectors (exhaustive, campaign, both) say of the mutation, up to the first that found it.

    The exhaustive tests come first; a mutation that they cannot see goes to the campaign at once. Raises as these do.
    """
    ran: list[Detection] = []
    if by != "campaign" and mutation.cases:
        ran.append(run_exhaustive(copy, mutation.cases))
    if by == "campaign" or (by == "both" and not (ran and ran[-1].findings)):
        ran.append(run_campaign(copy, mutation.campaign))
    return ran


def _see_that_it_worked(ran: Ran, what: str) -> None:
    if ran.status not in (0, _FOUND):
        how = "did not end in time" if ran.status is None else f"ended with {ran.status}"
        raise DetectorBroken(f"{what} {how}:\n{ran.output[-3000:]}")


def _last_json(output: str) -> dict[str, object]:
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            report: dict[str, object] = json.loads(line)
            return report
    raise DetectorBroken(f"the campaign has reported nothing:\n{output[-3000:]}")


def _short(test: str) -> str:
    """The id of the case that a test plays, or the name of a test that plays none."""
    return test.partition("[")[2].removesuffix("]") or test


def _first(message: str, text: str) -> str:
    found = next((match for place in _WRONG if (match := place.search(message) or place.search(text))), None)
    return found[1].strip() if found else next(iter(message.splitlines()), "")
