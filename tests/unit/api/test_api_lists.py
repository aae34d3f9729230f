"""What support may ask for: filters, reasons, cursors; and that no value can leave its place in a query."""

from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio import workflow

from api.http.problems import INVALID_QUERY, Problem
from api.http.schemas import validate
from api.support.cursors import CursorPosition, CursorSeal
from api.support.schemas import ListQuery, ResolveBody, RetryBody
from api.support.visibility import Window, quoted
from checkout.temporal.names import CHECKOUT_WORKFLOW
from workflows.checkout import CheckoutWorkflow

POSITION = CursorPosition(datetime(2026, 11, 23, 9, 30, 0, 123456, UTC), "chk_1")


def query(**parameters: str) -> ListQuery:
    return validate(ListQuery, parameters, INVALID_QUERY)


def test_a_value_cannot_end_its_literal() -> None:
    assert quoted("x' OR '1'='1") == "'x'' OR ''1''=''1'"
    wanted = query(status="payment_stuck").model_copy(update={"customer_id": "x'OR'1'='1"})
    assert Window(wanted, datetime(2026, 1, 1, tzinfo=UTC), None).filter() == (
        "WorkflowType = 'CheckoutWorkflow' AND ExecutionStatus != 'ContinuedAsNew' "
        "AND CheckoutStatus = 'payment_stuck' AND CustomerId = 'x''OR''1''=''1' "
        "AND StartTime >= '2026-01-01T00:00:00+00:00'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T09:30:00Z",
        "2026-11-23T09:30",
        "2026-11-23T10:30:00.000+01:00",
        "2026-11-23T10:30:00 01:00",  # a plus sign that nobody encoded
        "20261123T093000Z",
    ],
)
def test_a_time_is_read_however_iso_8601_writes_it(text: str) -> None:
    assert query(since=text).since == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def test_a_day_is_its_beginning_in_utc() -> None:
    assert query(until="2026-11-23").until == datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"status": "stuck"}, "status"),
        ({"status": ""}, "status"),
        ({"customer_id": "cus 42"}, "customer_id"),
        ({"customer_id": ""}, "customer_id"),
        ({"customer_id": 'a"b'}, "customer_id"),
        ({"customer_id": 'x"OR"1"="1'}, "customer_id"),
        ({"customer_id": "'x"}, "customer_id"),
        ({"customer_id": "x'"}, "customer_id"),
        ({"customer_id": "a''b"}, "customer_id"),
        ({"customer_id": "a\\'b"}, "customer_id"),
        ({"order_number": "'7KD2-9QXM"}, "order_number"),
        ({"customer_id": "a\\"}, "customer_id"),
        ({"customer_id": "4242424242424242"}, "customer_id"),
        ({"order_number": "\u00e9"}, "order_number"),
        ({"since": "yesterday"}, "since"),
        ({"since": "0001-01-01T00:00:00+23:00"}, "since"),
        ({"until": "2026-13-01"}, "until"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "x" * 1001}, "cursor"),
        ({"page": "2"}, "page"),
    ],
)
def test_a_filter_that_means_nothing_is_refused_by_name(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(Problem) as refused:
        query(**parameters)
    assert refused.value.kind.code == "invalid_query"
    assert [error["field"] for error in refused.value.members["errors"]] == [field]


def test_a_cursor_leads_back_to_its_position() -> None:
    seal = CursorSeal(b"secret")
    filters = query(status="confirmed").filters
    assert seal.open(seal.seal(POSITION, filters), filters) == POSITION


@pytest.mark.parametrize("cursor", ["", "a", "abc", "====", "\u00e9", "W10", "A" * 40])
def test_a_cursor_of_somebody_elses_making_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as refused:
        CursorSeal(b"secret").open(cursor, {})
    assert (refused.value.kind.status, refused.value.kind.code) == (422, "invalid_query")


def test_a_cursor_is_good_for_its_own_list_alone() -> None:
    cursor = CursorSeal(b"secret").seal(POSITION, query(status="confirmed").filters)
    with pytest.raises(Problem):
        CursorSeal(b"secret").open(cursor, query(status="cancelled").filters)
    with pytest.raises(Problem):
        CursorSeal(b"another").open(cursor, query(status="confirmed").filters)


@pytest.mark.parametrize(
    "reason", ["", "   ", "x" * 501, "two\nlines", "a\x1b[31m", "a\u2028b", "card 4242 4242 4242 4242", 7]
)
def test_a_reason_is_one_line_that_says_something(reason: Any) -> None:
    with pytest.raises(Problem) as refused:
        validate(RetryBody, {"reason": reason})
    assert refused.value.members["errors"][0]["field"] == "reason"
    assert "4242" not in str(refused.value.members)


def test_a_reason_may_be_in_any_language() -> None:
    reason = "Kundin ruft an \u2013 \u304a\u9858\u3044"
    assert validate(RetryBody, {"reason": f" {reason} "}).reason == reason


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"outcome": "refunded"}, "outcome"),
        ({"outcome": None}, "outcome"),
        ({"provider_reference": "pi_1/../../customers"}, "provider_reference"),
        ({"provider_reference": "4242424242424242"}, "provider_reference"),
        ({"amount": 1}, "amount"),
    ],
)
def test_a_resolution_that_means_nothing_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as refused:
        validate(ResolveBody, {"outcome": "captured", "reason": "seen"} | changes)
    assert [error["field"] for error in refused.value.members["errors"]] == [field]


def test_the_listed_workflow_type_is_that_of_the_checkout() -> None:
    assert workflow._Definition.must_from_class(CheckoutWorkflow).name == CHECKOUT_WORKFLOW
