"""What catches bugs: the exhaustive tests, and campaigns. Each runs in a copy of the product and says what it found."""

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from xml.etree import ElementTree

from tests.exhaustive.cases import cases
from tests.planted.bug import Bug, Campaign
from tests.planted.product_copy import ProductCopy, Ran

_TESTS = "tests/exhaustive/test_every_step.py"
_CASE = f"{_TESTS}::test_a_struck_checkout_ends_as_it_should"
_AFTERWARDS = re.compile(r"def (test_afterwards_\w+)")
_TESTS_TIMEOUT_SECONDS = 600
_CAMPAIGN_TIMEOUT_SECONDS = 900
#: What pytest and a campaign answer when something is wrong with the product, and not with how they were called.
_FOUND = 1
#: Where pytest shows what is wrong: behind the plans of a trial's faults; in a trial that nothing should disturb; in a
#: list of mismatches; in a list of violations.
_WRONG = (
    re.compile(r"\)\}: (.+?)(?:[\"'](?:, [\"'].*|\].*)?)?$", re.MULTILINE),
    re.compile(r"complaints=\[[\"']([^\"']+)"),
    re.compile(r"detail='([^']+)"),
    re.compile(r"(?:more item|extra item): [\"']([^\"'\n]+)"),
)


class CatcherBroken(Exception):
    """It could not do its work, so it neither caught anything nor found that all is well."""


@dataclass(frozen=True)
class Catch:
    """What one catcher came to with one copy. ``findings`` maps who says so to what; empty when all seemed well."""

    by: str
    seconds: float
    findings: dict[str, str]


def matching(patterns: Sequence[str]) -> list[str]:
    """The ids of the exhaustive tests that match one of the patterns.

    Raises:
        LookupError: one of them matches none.
    """
    ids = [case.id for case in cases()]
    for pattern in patterns:
        if not any(fnmatchcase(one, pattern) for one in ids):
            raise LookupError(f"no exhaustive test matches {pattern}")
    return [one for one in ids if any(fnmatchcase(one, pattern) for pattern in patterns)]


def run_exhaustive(copy: ProductCopy, patterns: Sequence[str]) -> Catch:
    """Run the exhaustive tests that match, and what is asked after them.

    Raises:
        CatcherBroken: they did not come to an end, or could not be run.
    """
    report = copy.root / "report.xml"
    afterwards = _AFTERWARDS.findall((copy.root / _TESTS).read_text())
    tests = [*(f"{_CASE}[{one}]" for one in matching(patterns)), *(f"{_TESTS}::{name}" for name in afterwards)]
    options = ["-q", "-p", "no:cacheprovider", "--no-header", f"--junit-xml={report}"]
    began = time.monotonic()
    ran = copy.run([sys.executable, "-P", "-m", "pytest", *options, *tests], _TESTS_TIMEOUT_SECONDS)
    _see_that_it_worked(ran, "pytest")
    return Catch("exhaustive", time.monotonic() - began, read_junit(report.read_text()))


def read_junit(text: str) -> dict[str, str]:
    """The tests that failed, or could not even be prepared, each with the first thing that it says is wrong."""
    found = {}
    for case in ElementTree.fromstring(text).iter("testcase"):
        for kind in ("failure", "error"):
            if (wrong := case.find(kind)) is not None:
                found[_short(case.get("name", ""))] = _first(wrong.get("message", ""), wrong.text or "")
    return found


def run_campaign(copy: ProductCopy, campaign: Campaign) -> Catch:
    """Run a campaign.

    Raises:
        CatcherBroken: it did not come to an end, or could not be run.
    """
    words = ["--checkouts", str(campaign.checkouts), "--seed", str(campaign.seed), "--faults", *campaign.faults.split()]
    command = [sys.executable, "-P", "-m", "checkout.cli.main", "chaos", "--json", *words]
    began = time.monotonic()
    ran = copy.run(command, _CAMPAIGN_TIMEOUT_SECONDS)
    _see_that_it_worked(ran, "the campaign")
    return Catch("campaign", time.monotonic() - began, read_report(_last_json(ran.output)))


def read_report(report: dict[str, object]) -> dict[str, str]:
    """The checks that were violated, each with the first of its violations; and what never ended."""
    found: dict[str, str] = {}
    violations, unfinished = report["violation_list"], report["unfinished_list"]
    if not isinstance(violations, list) or not isinstance(unfinished, dict):
        raise CatcherBroken("the campaign's report is not one")
    for one in violations:
        found.setdefault(str(one["check"]), str(one["detail"]))
    if unfinished:
        found["10: every accepted checkout ends"] = str(next(iter(unfinished.values())))
    return found


def catches(copy: ProductCopy, bug: Bug, by: str) -> list[Catch]:
    """What the catchers that are wanted (exhaustive, campaign, both) say of the bug, up to the first that caught it.

    The exhaustive tests come first; a bug that they cannot see goes to the campaign at once. Raises as these do.
    """
    ran: list[Catch] = []
    if by != "campaign" and bug.cases:
        ran.append(run_exhaustive(copy, bug.cases))
    if by == "campaign" or (by == "both" and not (ran and ran[-1].findings)):
        ran.append(run_campaign(copy, bug.campaign))
    return ran


def _see_that_it_worked(ran: Ran, what: str) -> None:
    if ran.status not in (0, _FOUND):
        how = "did not end in time" if ran.status is None else f"ended with {ran.status}"
        raise CatcherBroken(f"{what} {how}:\n{ran.output[-3000:]}")


def _last_json(output: str) -> dict[str, object]:
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            report: dict[str, object] = json.loads(line)
            return report
    raise CatcherBroken(f"the campaign has reported nothing:\n{output[-3000:]}")


def _short(test: str) -> str:
    """The id of the case that a test plays, or the name of a test that plays none."""
    return test.partition("[")[2].removesuffix("]") or test


def _first(message: str, text: str) -> str:
    found = next((match for place in _WRONG if (match := place.search(message) or place.search(text))), None)
    return found[1].strip() if found else next(iter(message.splitlines()), "")
