"""Every do and every undo with every fault, and pairs of them: nothing is lost, nothing happens twice."""

import pytest

from tests.exhaustive.cases import Case, cases
from tests.exhaustive.played import Played

pytestmark = [
    pytest.mark.timeout(300),
    # The SDK warns of an activity that ends while it is told that its time is up, which late ones are bound to do.
    pytest.mark.filterwarnings("ignore:Cannot find activity to cancel:UserWarning"),
]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
async def test_a_checkout_with_injected_faults_ends_as_expected(played: Played, case: Case) -> None:
    judged = played.cases[case]
    assert judged
    assert [f"{one.case_run.id}, {one.case_run.plans}: {what}" for one in judged for what in one.wrong] == []


async def test_afterwards_the_books_agree(played: Played) -> None:
    assert [str(one) for one in played.violations] == []


async def test_afterwards_reconciliation_finds_nothing(played: Played) -> None:
    assert played.last_report
    assert played.last_report.mismatches == ()
