"""The load of a campaign can be repeated, and asks for everything that a shop is asked for."""

import asyncio
import random
import time
from collections import Counter

import httpx
import pytest

from lab.chaos.checker.books import Violation
from lab.chaos.checker.promise_checks import Promise
from lab.chaos.load.errands import FOREIGN_SKU, HOT, PLENTY, SCARCE, Errand, draw, draw_simple
from lab.chaos.load.http import Callers
from lab.chaos.load.load import Load
from lab.chaos.load.shopper import TERMINATED, Visit
from lab.sandbox.objects.methods import METHODS


def errands(count: int = 3000) -> list[Errand]:
    return [draw(random.Random(f"errand-{number}"), f"key-{number}") for number in range(count)]


def test_the_same_seed_draws_the_same_errand() -> None:
    assert errands(50) == errands(50)


def test_every_method_of_the_provider_is_paid_with_and_one_that_it_does_not_know() -> None:
    assert {errand.method for errand in errands()} == set(METHODS) | {"pm_card_that_nobody_issued"}


def test_most_pay_with_a_card_that_works() -> None:
    assert Counter(errand.method for errand in errands()).most_common(1)[0][0] == "pm_card_visa"


def test_some_ask_for_what_is_scarce_unknown_or_priced_in_another_currency() -> None:
    skus = {line["sku"] for errand in errands() for line in errand.body["lines"]}
    assert skus == set(PLENTY) | set(SCARCE) | {"NO-SUCH-ARTICLE", FOREIGN_SKU}


def test_carts_have_one_to_five_lines_and_each_article_once() -> None:
    lines = [[line["sku"] for line in errand.body["lines"]] for errand in errands()]
    assert {len(skus) for skus in lines} == {1, 2, 3, 4, 5}
    assert all(len(set(skus)) == len(skus) for skus in lines)


def test_some_were_shown_the_right_total_and_some_a_wrong_one() -> None:
    prices = {sku: price for sku, (price, _) in (PLENTY | SCARCE | HOT).items()}
    plain = [errand.body for errand in errands() if all(line["sku"] in prices for line in errand.body["lines"])]
    off_by = {
        body["expected_total_minor"] - sum(prices[line["sku"]] * line["quantity"] for line in body["lines"])
        for body in plain
        if "expected_total_minor" in body
    }
    assert off_by == {0, 1}
    assert any("expected_total_minor" not in body for body in plain)


def test_customers_do_whatever_customers_do() -> None:
    drawn = errands()
    assert {errand.at_bank for errand in drawn} == {"approve", "fail", "elsewhere", "ignore"}
    assert {errand.when_declined for errand in drawn} == {"pay", "cancel", "leave"}
    assert {errand.cancels_after_seconds is None for errand in drawn} == {True, False}
    carts = [errand.body.get("cart_id") for errand in drawn]
    assert None in carts
    assert max(Counter(cart for cart in carts if cart).values()) > 1


def test_what_measures_the_machine_waits_for_nobody() -> None:
    simple = [draw_simple(random.Random(number), "key") for number in range(50)]
    assert {errand.method for errand in simple} == {"pm_card_visa"}
    assert {errand.cancels_after_seconds for errand in simple} == {None}


@pytest.mark.parametrize(
    ("status", "resting", "over"),
    [
        ("processing", False, False),
        ("compensating", False, False),
        ("compensation_stuck", False, False),
        ("awaiting_payment", True, False),
        ("payment_stuck", True, False),
        ("confirmed", True, True),
        (TERMINATED, True, True),
    ],
)
def test_a_visit_rests_when_it_has_ended_or_waits_for_a_person(status: str, resting: bool, over: bool) -> None:
    errand = draw(random.Random(1), "key")
    visit = Visit(errand, Promise(errand.key, errand.body))
    visit.sees(status)
    assert (visit.is_resting, visit.is_over) == (resting, over)
    assert (visit.rested_at is not None) == resting


def test_what_a_method_takes_by_design_is_not_due_before() -> None:
    errand = draw(random.Random(1), "key")
    visit = Visit(errand, Promise(errand.key, errand.body))
    before = time.monotonic()
    visit.acts("pm_card_visa")
    assert visit.due_at <= time.monotonic()
    visit.acts("pm_sandbox_processing")
    assert visit.due_at >= before + 2


def accepted(load: Load, number: int) -> None:
    errand = draw_simple(random.Random(number), f"key-{number}")
    visit = Visit(errand, Promise(errand.key, errand.body, ids={f"chk_{number}"}))
    visit.accepted_at = time.monotonic()
    load.visits.append(visit)


async def looked_again(answers_after_seconds: float, checkouts: int, patience_seconds: float) -> list[str]:
    """What HTTP says of each checkout in the end, of a shop that takes so long for one answer."""

    async def shop(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(answers_after_seconds)
        return httpx.Response(200, json={"id": request.url.path.rpartition("/")[2]})

    complaints: list[Violation] = []
    async with Callers(("http://shop", "http://provider"), ("storefront", "support"), 1, complaints.append) as callers:
        await callers.shop.http.aclose()
        callers.shop.http = httpx.AsyncClient(base_url="http://shop", transport=httpx.MockTransport(shop))
        load = Load(callers, 1, complaints)
        for number in range(checkouts):
            accepted(load, number)
        await load.look_again(patience_seconds)
        return [visit.promise.last["id"] for visit in load.visits if visit.promise.last]


async def test_to_look_at_all_may_take_longer_than_to_look_at_one() -> None:
    assert await looked_again(0.05, checkouts=80, patience_seconds=0.4) == [f"chk_{number}" for number in range(80)]


async def test_a_shop_that_does_not_answer_is_not_waited_for() -> None:
    with pytest.raises(TimeoutError):
        await looked_again(30, checkouts=20, patience_seconds=0.1)
