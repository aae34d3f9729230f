"""The checks beyond the tables: against the ledger, against the workflows, and against what customers were told."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkout_lab.chaos.checker import ledger_checks, promise_checks
from checkout_lab.chaos.checker.books import (
    AttemptRow,
    CheckoutRow,
    LedgerSnapshot,
    ReconciliationRow,
    RefundRow,
    Tables,
    parse_ledger,
)
from checkout_lab.chaos.checker.promise_checks import Promise
from checkout_lab.chaos.checker.secrets import Scanner, scan_files
from checkout_lab.chaos.checker.states import ALLOWED, FINAL
from checkout_lab.chaos.checker.workflows import WorkflowRun, at_work, run_violations, unfinished

SOLD = CheckoutRow("s", "confirmed", None, "EUR", "SSSS-0000", "confirmed", 2580)
UNDONE = CheckoutRow("u", "cancelled", "cancelled_by_customer", "EUR", "VVVV-0000", "cancelled", 2580)
CAPTURED = AttemptRow("s", 1, "captured", "pm_card_visa", "pi_s", 2580, "EUR", 2580, "EUR")
REFUNDED = AttemptRow("u", 1, "refunded", "pm_card_visa", "pi_u", 2580, "EUR", 2580, "EUR")
TABLES = Tables(
    {"s": SOLD, "u": UNDONE}, [CAPTURED, REFUNDED], [], [RefundRow("u", 1, "succeeded", "re_u", 2580)], [], []
)


def intent(checkout_id: str, **changes: Any) -> dict[str, Any]:
    """A PaymentIntent in Stripe's form."""
    return {
        "id": f"pi_{checkout_id}",
        "metadata": {"checkout_id": checkout_id, "attempt": "1"},
        "status": "succeeded",
        "payment_method": "pm_card_visa",
        "currency": "eur",
        "amount_received": 2580,
    } | changes


def refund(amount: int = 2580, **changes: Any) -> dict[str, Any]:
    return {"id": "re_u", "payment_intent": "pi_u", "amount": amount, "status": "succeeded"} | changes


def ledger(
    *more: Mapping[str, Any], sold: Mapping[str, Any] = {}, refunds: list[dict[str, Any]] | None = None
) -> LedgerSnapshot:
    """The right books, with something else in them."""
    intents = [intent("s", **sold), intent("u"), *more]
    return parse_ledger({"intents": intents, "refunds": [refund()] if refunds is None else refunds})


def wrong(tables: Tables, books: LedgerSnapshot) -> set[str]:
    checks = ledger_checks.ALWAYS | ledger_checks.EVENTUALLY
    return {name for name, check in checks.items() if list(check(tables, books))}


def test_books_that_agree_are_not_reported() -> None:
    assert wrong(TABLES, ledger()) == set()


def test_a_capture_that_reconciliation_gave_back_is_known() -> None:
    late = intent("u", id="pi_late")
    given_back = replace(TABLES, given_back=[ReconciliationRow("u", "pi_late")])
    refunds = [refund(), refund(id="re_late", payment_intent="pi_late")]
    assert wrong(given_back, ledger(late, refunds=refunds)) == set()


#: The check -> books that break it.
BROKEN = {
    "2: one charge is kept at most": ledger(intent("s", id="pi_again")),
    "3: the order's total is what is taken": ledger(sold={"amount_received": 2680}),
    "4: a sale is paid at the provider": ledger(sold={"amount_received": 0, "status": "canceled"}),
    "5: no more is given back than the provider took": ledger(refunds=[refund(2581)]),
    "12: the ledger has every capture": ledger(sold={"id": "pi_other"}),
    "12: the ledger has every refund": ledger(refunds=[refund(id="re_other")]),
    "9: the provider keeps money for sales alone": ledger(refunds=[]),
    "9: nothing can be taken after the end": ledger(intent("u", id="pi_2", amount_received=0, status="processing")),
    "12: the tables have every capture": ledger(intent("u", id="pi_2", amount_received=1)),
    "12: the tables have every refund": ledger(refunds=[refund(), refund(0, id="re_2")]),
    "12: tables and ledger keep the same": ledger(refunds=[refund(2579)]),
}


@pytest.mark.parametrize("check", ledger_checks.ALWAYS | ledger_checks.EVENTUALLY)
def test_a_ledger_that_says_otherwise_is_reported_by_the_checks_name(check: str) -> None:
    assert check in wrong(TABLES, BROKEN[check])


def test_an_amount_that_the_sandbox_takes_wrongly_on_purpose_has_to_be_given_back() -> None:
    books = ledger(sold={"amount_received": 2680, "payment_method": "pm_sandbox_wrong_amount"})
    assert "3: the order's total is what is taken" not in wrong(TABLES, books)
    assert "4: a sale is paid at the provider" in wrong(TABLES, books)


def view(row: CheckoutRow, payment: tuple[str, int], **changes: Any) -> dict[str, Any]:
    """What HTTP says of a checkout that stands so in the tables."""
    return {
        "id": row.checkout_id,
        "status": row.status,
        "reason": row.reason,
        "order_number": row.order_number,
        "total_minor": row.total_minor,
        "currency": row.currency,
        "customer_id": "cus_1",
        "cart_id": None,
        "lines": [{"sku": "MUG", "quantity": 2}],
        "payment": {"status": payment[0], "attempts": payment[1]},
    } | changes


BODY = {
    "customer_id": "cus_1",
    "currency": "EUR",
    "lines": [{"sku": "MUG", "quantity": 1}, {"sku": "MUG", "quantity": 1}],
}


def told(row: CheckoutRow = SOLD, payment: tuple[str, int] = ("captured", 1), **changes: Any) -> Promise:
    said = view(row, payment, **changes)
    return Promise(f"key-{row.checkout_id}", BODY, {row.checkout_id}, view(row, payment), said)


def broken_promises(*promises: Promise) -> set[str]:
    checks = promise_checks.ALWAYS | promise_checks.EVENTUALLY
    return {name for name, check in checks.items() if list(check(promises, TABLES))}


def test_a_shop_that_keeps_its_word_is_not_reported() -> None:
    assert broken_promises(told(), told(UNDONE, ("refunded", 1))) == set()


#: The check -> what a customer was told that the tables do not keep.
UNKEPT = {
    "6: one key, one checkout": [replace(told(), ids={"s", "u"})],
    "6: one checkout, one key": [told(), replace(told(), key="another")],
    "7: what HTTP called final stays": [told(status="cancelled")],
    "3: a sale is what was asked for": [replace(told(), body=BODY | {"expected_total_minor": 2579})],
    "10: no accepted checkout is lost": [Promise("key", BODY, {"nobody"})],
    "10: HTTP says what the tables say": [told(order_number="0000-0000")],
    "10: HTTP shows the last attempt": [told(payment=("unknown", 1))],
}


@pytest.mark.parametrize("check", promise_checks.ALWAYS | promise_checks.EVENTUALLY)
def test_a_word_that_is_not_kept_is_reported_by_the_checks_name(check: str) -> None:
    assert check in broken_promises(*UNKEPT[check])


def test_each_checkout_has_one_run_that_has_ended_or_is_at_work() -> None:
    waiting = replace(
        TABLES, checkouts={**TABLES.checkouts, "w": replace(UNDONE, checkout_id="w", status="processing")}
    )
    runs = [
        WorkflowRun("s", "1", "COMPLETED"),
        WorkflowRun("u", "2", "TERMINATED"),
        WorkflowRun("w", "3", "RUNNING"),
        WorkflowRun("x", "4", "FAILED"),
    ]
    assert run_violations(runs, ["s", "u", "w"], waiting) == []
    assert at_work(runs) == {"w"}
    assert unfinished(runs, ["s", "u", "w"], waiting) == {"w": "processing, its workflow open"}


@pytest.mark.parametrize(
    ("runs", "check"),
    [
        ([], "10: every checkout has a workflow"),
        ([WorkflowRun("s", "1", "COMPLETED"), WorkflowRun("s", "2", "COMPLETED")], "10: none runs twice"),
        ([WorkflowRun("s", "1", "FAILED")], "10: no workflow fails"),
    ],
)
def test_a_run_that_went_wrong_is_reported_by_the_checks_name(runs: list[WorkflowRun], check: str) -> None:
    tables = replace(TABLES, checkouts={"s": SOLD})
    assert {violation.check for violation in run_violations(runs, ["s"], tables)} == {check}


def test_a_run_that_is_over_before_its_checkout_has_ended_is_reported() -> None:
    tables = replace(TABLES, checkouts={"s": replace(SOLD, status="processing")})
    (violation,) = run_violations([WorkflowRun("s", "1", "COMPLETED")], ["s"], tables)
    assert violation.check == "10: what is over has ended"


@pytest.mark.parametrize("status", ["awaiting_payment", "payment_stuck"])
def test_one_that_waits_for_a_person_is_not_unfinished_while_its_workflow_lives(status: str) -> None:
    tables = replace(TABLES, checkouts={"s": replace(SOLD, status=status)})
    assert unfinished([WorkflowRun("s", "1", "RUNNING")], ["s"], tables) == {}
    assert list(unfinished([WorkflowRun("s", "1", "TERMINATED")], ["s"], tables)) == ["s"]


def test_what_is_nowhere_is_unfinished_unless_it_was_terminated_before_it_began() -> None:
    assert unfinished([], ["lost"], TABLES) == {"lost": "nowhere, its workflow closed"}
    assert unfinished([WorkflowRun("lost", "1", "TERMINATED")], ["lost"], TABLES) == {}


@pytest.mark.parametrize(
    "content",
    ['{"customer_id":"4242424242424242"}', "card 4000 0566 5566 5556.", "3782-822463-10005", "the key is sk_secret!"],
)
def test_card_numbers_and_secrets_are_seen(content: str) -> None:
    assert list(Scanner({"key": "sk_secret"}).finds(content.encode()))


@pytest.mark.parametrize(
    "content",
    [
        "4242424242424241",  # its last digit is not the check digit
        "1763884000000",  # a time in milliseconds
        "pi_4242424242424242",  # part of an id
        "9c1185a5-c5e9-4242-4242-424242424242",
        "42424242424242424242",  # too long
    ],
)
def test_honest_digits_are_left_alone(content: str) -> None:
    assert list(Scanner({"key": "sk_secret"}).finds(content.encode())) == []


def test_a_log_is_named_and_what_it_holds_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "api.log").write_text("POST with 4242424242424242\n")
    (tmp_path / "logs" / "empty.log").touch()
    (violation,) = scan_files(tmp_path, Scanner({}))
    assert (violation.subject, violation.detail) == ("file api.log", "a card number ending in 4242")


def test_nothing_final_has_a_way_out() -> None:
    for entity, statuses in FINAL.items():
        assert {before for before, _ in ALLOWED[entity]} & statuses == set()
        assert statuses <= {after for _, after in ALLOWED[entity]}
