"""The API's small parts: headers, card numbers, ids and fingerprints, what an operator reads."""

import pytest
from temporalio.service import RPCError, RPCStatusCode

from api.http.headers import preferred_wait_seconds
from api.http.idempotency import derive_checkout_id, fingerprint, is_checkout_id
from api.http.schemas import validate
from api.storefront.conditional import entity_tag, none_match
from api.storefront.schemas import CheckoutBody
from api.temporal.calls import as_problem, response_within
from api.temporal.ui_texts import MAX_SUMMARY_CHARACTERS, static_details, static_summary
from checkout.domain.messages import CheckoutRequest, Timeouts
from checkout.domain.text import looks_like_a_card_number

SECRET = b"a secret of this deployment"


def request(**changes: object) -> CheckoutRequest:
    cart = {
        "customer_id": "cus_42",
        "currency": "EUR",
        "lines": [{"sku": "MUG", "quantity": 2}],
        "payment_method": "pm_card_visa",
    }
    return validate(CheckoutBody, cart | changes).to_request("chk_1", "2026-01-01T00:00:00.000+00:00", Timeouts())


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([], None),
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['wait="10"'], 10),
        (["wait=0"], 0),
        (["wait=31"], 30),
        (["wait=999999999"], 30),
        (["respond-async, wait=5"], 5),
        (["respond-async", "wait=5"], 5),
        (["wait=5, wait=9"], 5),
        (['foo="a, wait=1"; bar="wait=2", wait=3'], 3),
        (["handling=lenient; x=y; ;z, wait=4;why=not"], 4),
        (["@@@, wait=6"], 6),
        (["wait"], None),
        (["wait="], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=soon"], None),
        (["wait=\u00b2"], None),
        (["waiting=5"], None),
        ([",,, ,"], None),
    ],
)
def test_a_preference_is_read_as_the_rfc_says(values: list[str], seconds: int | None) -> None:
    assert preferred_wait_seconds(values) == seconds


def test_a_hostile_preference_is_read_in_no_time() -> None:
    assert preferred_wait_seconds([";" * 20_000 + '="' + "\\" * 20_000]) is None
    assert preferred_wait_seconds(["a;" * 20_000 + '"']) is None
    assert preferred_wait_seconds(["a" + ";  " * 20_000 + "@"]) is None


@pytest.mark.parametrize(
    ("values", "lets_through"),
    [
        ([], True),
        (['"t"'], False),
        (['W/"t"'], False),
        (['"a","t"'], False),
        (['"a"', 'W/"t"'], False),
        (['"a,b", "t"'], False),
        (["*"], False),
        ([" * "], False),
        (['"a"'], True),
        (["t"], True),
        (['"t'], True),
        ([""], True),
    ],
)
def test_a_condition_is_compared_weakly(values: list[str], lets_through: bool) -> None:
    assert none_match(values, '"t"') is lets_through


def test_a_stale_view_has_another_tag_than_the_same_bytes_fresh() -> None:
    assert entity_tag(b"{}") == entity_tag(b"{}") != entity_tag(b"{}", is_stale=True)


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "pm_4242424242424242",
        "card:4111.1111.1111.1111",
        "378282246310005",
        "3782-822463-10005",
        "5555555555554444",
        "2223003122003222",
        "6011111111111117",
        "3056930009020004",
        "36227206271667",
        "3622-720627-1667",
        "6205500000000000004",
        "4222222222222",
    ],
)
def test_a_card_number_is_recognised_as_cards_print_it(text: str) -> None:
    assert looks_like_a_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "cus_42",
        "4242424242424241",
        "4006381333931",  # an EAN-13 whose digits pass the Luhn test of cards as well
        "1234567812345670",
        "550e8400-e29b-41d4-a716-446655440000",
        "a4242424242424242",
        "01912d68-4242-4242-4242-424242424242",
        "424242424242",
        "42424242424242424242",
    ],
)
def test_an_honest_id_is_no_card_number(text: str) -> None:
    assert not looks_like_a_card_number(text)


def test_an_id_is_stable_and_belongs_to_one_caller() -> None:
    mine = derive_checkout_id(SECRET, "shop", "k")
    assert is_checkout_id(mine)
    assert mine == derive_checkout_id(SECRET, "shop", "k")
    others = {("shop", "K"), ("shop2", "k"), ("sho", "pk"), ("shopk", "")}
    assert mine not in {derive_checkout_id(SECRET, name, key) for name, key in others}
    assert mine != derive_checkout_id(b"another secret", "shop", "k")


def test_an_id_never_changes_from_one_release_to_the_next() -> None:
    assert derive_checkout_id(SECRET, "shop", "k") == "chk_xfpqqcrv6mnpn7afm75wgq64dy"


def test_a_fingerprint_never_changes_from_one_release_to_the_next() -> None:
    assert fingerprint(request()) == "6d8e72ca31f2644da1f2112d76bf37f458ec06a7a84191603c9a6f5bfc8c4620"


@pytest.mark.parametrize("text", ["", "chk_", "chk_1", "chk_" + "A" * 26, "chk_" + "a" * 27, " chk_" + "a" * 26])
def test_a_malformed_id_is_recognised_without_a_call_of_temporal(text: str) -> None:
    assert not is_checkout_id(text)


def test_a_fingerprint_tells_bodies_apart_and_not_ways_to_write_them() -> None:
    same = request(cart_id=None, lines=[{"quantity": 1, "sku": "MUG"}, {"sku": "MUG", "quantity": 1}])
    assert fingerprint(same) == fingerprint(request())
    others = [
        request(cart_id="cart_81"),
        request(customer_id="cus_43"),
        request(currency="USD"),
        request(lines=[{"sku": "MUG", "quantity": 3}]),
        request(payment_method="pm_card_mastercard"),
        request(expected_total_minor=0),
    ]
    assert len({fingerprint(other) for other in [request(), *others]}) == 7


def test_the_same_article_twice_is_one_line() -> None:
    lines = request(lines=[{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 2}, {"sku": "A", "quantity": 3}]).lines
    assert [(line.sku, line.quantity) for line in lines] == [("A", 4), ("B", 2)]


def test_a_summary_is_one_short_line_whatever_was_bought() -> None:
    many = request(customer_id="c" * 128, lines=[{"sku": f"{n:064}", "quantity": n} for n in range(1, 100)])
    assert len(static_summary(many)) <= MAX_SUMMARY_CHARACTERS
    two = request(lines=[{"sku": f"S{n}", "quantity": n} for n in range(1, 6)])
    assert static_summary(two) == "Checkout of customer cus_42: 1 \u00d7 S1, 2 \u00d7 S2, 3 \u00d7 S3 and 2 more, EUR"


def test_what_a_customer_typed_is_no_markdown_for_the_operator() -> None:
    text = static_details(
        request(customer_id="[x](javascript:y)", cart_id="**z**", lines=[{"sku": "`", "quantity": 1}])
    )
    assert "Customer ?x??javascript?y?, cart ??z??, 1 article(s)" in text


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (RPCStatusCode.UNAVAILABLE, "temporal_unavailable"),
        (RPCStatusCode.DEADLINE_EXCEEDED, "temporal_unavailable"),
        (RPCStatusCode.PERMISSION_DENIED, "temporal_unavailable"),
        (RPCStatusCode.INVALID_ARGUMENT, "temporal_unavailable"),
        (RPCStatusCode.RESOURCE_EXHAUSTED, "temporal_overloaded"),
    ],
)
def test_every_refusal_of_temporal_tells_the_client_to_come_back(status: RPCStatusCode, code: str) -> None:
    kind = as_problem(RPCError("why", status, b"")).kind
    assert (kind.code, kind.status, kind.retry_after_seconds) == (code, 503, 2)


async def test_a_bug_is_not_taken_for_an_outage() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        async with response_within(1):
            raise RuntimeError("a bug")
