"""The mutations still apply, and one of them is really detected; `python -m tests.mutation` applies all of them."""

import ast

import pytest

from tests.mutation.__main__ import play
from tests.mutation.catalogue import MUTATIONS
from tests.mutation.detectors import matching, read_junit, read_report
from tests.mutation.mutation import DoesNotApply, Edit, Mutation
from tests.mutation.product_copy import ROOT, product_copy


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_each_mutation_applies_and_is_valid_python(mutation: Mutation) -> None:
    for path, text in mutation.changed(ROOT).items():
        assert text != (ROOT / path).read_text()
        ast.parse(text, path)


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_each_mutation_names_the_tests_or_faults_that_detect_it(mutation: Mutation) -> None:
    assert matching(mutation.cases) if mutation.cases else mutation.campaign.faults


def test_a_mutation_that_no_longer_applies_is_an_error() -> None:
    mutation = Mutation("gone", "Nothing.", (Edit("worker.py", "what is not there", "something"),))
    with pytest.raises(DoesNotApply, match=r"gone does not apply any more: worker\.py has 0 times"):
        mutation.changed(ROOT)


def test_findings_are_read_from_the_junit_report() -> None:
    said = "assert [&quot;chk_1, {'charge': Plan(place=2, late=False)}: 2 of captures: {'captured': 2}&quot;] == []"
    case = f'<testcase name="test_it[a_case]"><failure message="{said}">...</failure></testcase>'
    assert read_junit(f'<testsuite>{case}<testcase name="test_fine" /></testsuite>') == {
        "a_case": "2 of captures: {'captured': 2}"
    }


def test_findings_are_read_from_the_campaigns_report() -> None:
    violations = [{"check": "1: a", "subject": "MUG", "detail": d} for d in ("first", "second")]
    assert read_report({"violation_list": violations, "unfinished_list": {"chk_1": "processing"}}) == {
        "1: a": "first",
        "10: every accepted checkout ends": "processing",
    }
    assert read_report({"violation_list": [], "unfinished_list": {}}) == {}


def test_a_copy_imports_its_own_modules() -> None:
    with product_copy() as copy:
        copy.prove()
        assert not copy.root.is_relative_to(ROOT)


@pytest.mark.timeout(300)
def test_a_forgotten_release_is_detected() -> None:
    row = play(MUTATIONS["forgotten-release"], by="exhaustive")
    assert row.detection, row.trouble
    assert "2 units are reserved" in row.what
