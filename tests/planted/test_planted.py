"""The planted bugs still apply, and one of them is really caught; `python -m tests.planted` plants all of them."""

import ast

import pytest

from tests.planted.__main__ import play
from tests.planted.bug import Bug, DoesNotApply, Edit
from tests.planted.catalogue import BUGS
from tests.planted.catchers import matching, read_junit, read_report
from tests.planted.product_copy import ROOT, product_copy


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
def test_a_planted_bug_still_applies_and_is_still_a_program(bug: Bug) -> None:
    for path, text in bug.changed(ROOT).items():
        assert text != (ROOT / path).read_text()
        ast.parse(text, path)


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
def test_a_planted_bug_names_who_has_to_catch_it(bug: Bug) -> None:
    assert matching(bug.cases) if bug.cases else bug.campaign.faults


def test_a_bug_that_no_longer_applies_is_not_taken_for_a_planted_one() -> None:
    bug = Bug("gone", "Nothing.", (Edit("worker.py", "what is not there", "something"),))
    with pytest.raises(DoesNotApply, match=r"gone does not apply any more: worker\.py has 0 times"):
        bug.changed(ROOT)


def test_what_the_exhaustive_tests_say_is_read_from_their_report() -> None:
    said = "assert [&quot;chk_1, {'charge': Plan(place=2, late=False)}: 2 of captures: {'captured': 2}&quot;] == []"
    case = f'<testcase name="test_it[a_case]"><failure message="{said}">...</failure></testcase>'
    assert read_junit(f'<testsuite>{case}<testcase name="test_fine" /></testsuite>') == {
        "a_case": "2 of captures: {'captured': 2}"
    }


def test_what_a_campaign_says_is_read_from_its_report() -> None:
    violations = [{"check": "1: a", "subject": "MUG", "detail": d} for d in ("first", "second")]
    assert read_report({"violation_list": violations, "unfinished_list": {"chk_1": "processing"}}) == {
        "1: a": "first",
        "10: every accepted checkout ends": "processing",
    }
    assert read_report({"violation_list": [], "unfinished_list": {}}) == {}


def test_what_runs_in_a_copy_is_the_copy() -> None:
    with product_copy() as copy:
        copy.prove()
        assert not copy.root.is_relative_to(ROOT)


@pytest.mark.timeout(300)
def test_units_that_are_not_given_back_are_caught() -> None:
    row = play(BUGS["forgotten-release"], by="exhaustive")
    assert row.catch, row.trouble
    assert "2 units are reserved" in row.what
