"""Whether a checkout has come to what it must come to: what the tables, the provider and its workflow say of it."""

from asyncio import CancelledError
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from checkout.domain.states import CheckoutStatus, OrderStatus, PaymentStatus, ReservationStatus
from tests.exhaustive.books import Traces
from tests.exhaustive.case_run import CaseRun
from tests.exhaustive.cases import name_of
from tests.exhaustive.endings import Ending, expected, is_left_undone
from tests.exhaustive.faults import TOTAL_MINOR
from workflows.checkout import STEPS

_UNDOS = frozenset(name_of(step.undo) for step in STEPS if step.undo)


@dataclass(frozen=True)
class Judged:
    """A run of a case, how its checkout ended (None: it never began), and everything that is wrong with it."""

    case_run: CaseRun
    status: str | None
    wrong: tuple[str, ...]


def judge(case_run: CaseRun, traces: Traces) -> Judged:
    """Compare what came of the run with what had to come of it."""
    ending = expected(case_run.case)
    found = list(case_run.complaints)
    found += [
        f"{one.activity} was not injected" for one in case_run.case.injections if one.activity not in case_run.injected
    ]
    if case_run.ended != ending.workflow:
        found.append(f"the workflow has {case_run.ended} instead of {ending.workflow}")
    found += _wrong_status(case_run, traces, ending) + _wrong_runs(case_run) + _wrong_effects(traces)
    if case_run.ended != "terminated" and any(one["actor"] == "reconciliation" for one in traces["audit_log"]):
        # What it repairs looks as it should; but a checkout that nobody terminated ends right by itself.
        found.append("reconciliation had to put it right")
    return Judged(case_run, next((one["status"] for one in traces["checkouts"]), None), tuple(found))


def _wrong_status(case_run: CaseRun, traces: Traces, ending: Ending) -> list[str]:
    rows = traces["checkouts"]
    if is_left_undone(case_run.case) and not any(traces[name] for name in traces if name != "products"):
        return []  # Terminated before its first effect, and cut off: nothing has ever happened.
    if len(rows) != 1:
        return [f"there are {len(rows)} rows of the checkout"]
    status, reason = rows[0]["status"], rows[0]["reason"]
    found = []
    if status not in ending.statuses or (ending.reason and reason != ending.reason):
        wanted = " or ".join(sorted(ending.statuses))
        found.append(f"it ended {status} ({reason}) instead of {wanted} ({ending.reason})")
    if case_run.is_cancel_refused not in (None, status == CheckoutStatus.CONFIRMED):
        found.append(f"it ended {status}, and the cancel was {'refused' if case_run.is_cancel_refused else 'obeyed'}")
    if case_run.view and (case_run.view.status, case_run.view.reason) != (status, reason):
        found.append(f"its workflow says {case_run.view.status} ({case_run.view.reason}), its row {status} ({reason})")
    return found


def _wrong_runs(case_run: CaseRun) -> list[str]:
    """Every undo that a workflow began has landed, if nobody terminated it; of what was cut off the books tell."""
    if case_run.ended == "terminated":
        return []
    begun = {run.activity for run in case_run.runs if run.activity in _UNDOS}
    landed = {run.activity for run in case_run.runs if run.error is None or isinstance(run.error, CancelledError)}
    return [f"{undo} never landed" for undo in sorted(begun - landed)]


def _wrong_effects(traces: Traces) -> list[str]:
    """Each effect is there once, or was taken back once; the tables and the provider agree."""
    is_sold = any(one["status"] == CheckoutStatus.CONFIRMED for one in traces["checkouts"])
    found = [f"{sum(times.values())} of {name}: {dict(times)}" for name, times in _tallies(traces, is_sold) if times]
    held = sum(one["amount_received"] for one in traces["intents"])
    held -= sum(one["amount"] for one in traces["refunds_of_the_provider"])
    if held != (TOTAL_MINOR if is_sold else 0):
        found.append(f"the provider holds {held} minor units")
    shelf = traces["products"][0]
    if (shelf["reserved"], shelf["received"] - shelf["on_hand"]) != (0, 2 if is_sold else 0):
        found.append(f"{shelf['reserved']} units are reserved, and {shelf['on_hand']} are on hand")
    return found


def _tallies(traces: Traces, is_sold: bool) -> list[tuple[str, Counter[str]]]:
    """What there is too much of, by name: rows in a state that the ending forbids, and effects beyond the first."""
    taken_back = {PaymentStatus.VOIDED, PaymentStatus.REFUNDED, PaymentStatus.DECLINED}
    allowed: dict[str, set[str]] = {
        "reservations": {ReservationStatus.COMMITTED if is_sold else ReservationStatus.RELEASED},
        "orders": {OrderStatus.CONFIRMED if is_sold else OrderStatus.CANCELLED},
        "payments": {PaymentStatus.CAPTURED} if is_sold else {*taken_back},
        "refunds": set() if is_sold else {"succeeded"},
    }
    states = {table: [row["status"] for row in traces[table]] for table in allowed}
    captures = ["captured" for one in traces["intents"] if one["amount_received"]]
    back = [one["status"] for one in traces["refunds_of_the_provider"]]
    changes = Counter(f"{one['entity']} {one['before']}>{one['after']}" for one in traces["audit_log"])
    return [
        *((table, _too_many(states[table], allowed[table])) for table in allowed),
        ("captures", _too_many(captures, {"captured"})),
        ("refunds of the provider", _too_many(back, {"succeeded"})),
        ("transitions that happened again", Counter({name: n for name, n in changes.items() if n > 1})),
    ]


def _too_many(states: Sequence[str], allowed: set[str]) -> Counter[str]:
    return Counter(states) if len(states) > 1 or not set(states) <= allowed else Counter()
