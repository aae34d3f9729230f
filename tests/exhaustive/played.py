"""What came of all the cases."""

from dataclasses import dataclass

from checkout.domain.reconcile import ReconcileReport
from checkout_lab.chaos.checker.books import Violation
from tests.exhaustive.cases import Case
from tests.exhaustive.verdict import Judged


@dataclass(repr=False)
class Played:
    """What came of the runs of each case, and what reconciliation and the checker found after the last one."""

    cases: dict[Case, list[Judged]]
    last_report: ReconcileReport | None
    violations: list[Violation]
