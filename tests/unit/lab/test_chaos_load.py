"""The load of a campaign can be repeated, and asks for everything that a shop is asked for."""

import asyncio
import random
import time
from collections import Counter

import httpx
import pytest

from checkout_lab.chaos.checker.books import Violation
from checkout_lab.chaos.checker.promise_checks import Promise
from checkout_lab.chaos.load.http import Clients
from checkout_lab.chaos.load.load import Load
from checkout_lab.chaos.load.scenarios import FOREIGN_SKU, HOT, PLENTY, SCARCE, Scenario, draw, draw_simple
from checkout_lab.chaos.load.shopper import TERMINATED, Session
from checkout_lab.sandbox.objects.methods import METHODS


def scenarios(count: int = 3000) -> list[Scenario]:
    return [draw(random.Random(f"scenario-{number}"), f"key-{number}") for number in range(count)]


def test_the_same_seed_draws_the_same_scenario() -> None:
    assert scenarios(50) == scenarios(50)


def test_every_method_of_the_provider_is_paid_with_and_one_that_it_does_not_know() -> None:
    assert {scenario.method for scenario in scenarios()} == set(METHODS) | {"pm_card_that_nobody_issued"}


def test_most_pay_with_a_card_that_works() -> None:
    assert Counter(scenario.method for scenario in scenarios()).most_common(1)[0][0] == "pm_card_visa"


def test_some_ask_for_what_is_scarce_unknown_or_priced_in_another_currency() -> None:
    skus = {line["sku"] for scenario in scenarios() for line in scenario.body["lines"]}
    assert skus == set(PLENTY) | set(SCARCE) | {"NO-SUCH-ARTICLE", FOREIGN_SKU}


def test_carts_have_one_to_five_lines_and_each_article_once() -> None:
    lines = [[line["sku"] for line in scenario.body["lines"]] for scenario in scenarios()]
    assert {len(skus) for skus in lines} == {1, 2, 3, 4, 5}
    assert all(len(set(skus)) == len(skus) for skus in lines)


def test_some_were_shown_the_right_total_and_some_a_wrong_one() -> None:
    prices = {sku: price for sku, (price, _) in (PLENTY | SCARCE | HOT).items()}
    plain = [scenario.body for scenario in scenarios() if all(line["sku"] in prices for line in scenario.body["lines"])]
    off_by = {
        body["expected_total_minor"] - sum(prices[line["sku"]] * line["quantity"] for line in body["lines"])
        for body in plain
        if "expected_total_minor" in body
    }
    assert off_by == {0, 1}
    assert any("expected_total_minor" not in body for body in plain)


def test_customers_do_whatever_customers_do() -> None:
    drawn = scenarios()
    assert {scenario.at_bank for scenario in drawn} == {"approve", "fail", "elsewhere", "ignore"}
    assert {scenario.when_declined for scenario in drawn} == {"pay", "cancel", "leave"}
    assert {scenario.cancels_after_seconds is None for scenario in drawn} == {True, False}
    carts = [scenario.body.get("cart_id") for scenario in drawn]
    assert None in carts
    assert max(Counter(cart for cart in carts if cart).values()) > 1


def test_what_measures_the_machine_waits_for_nobody() -> None:
    simple = [draw_simple(random.Random(number), "key") for number in range(50)]
    assert {scenario.method for scenario in simple} == {"pm_card_visa"}
    assert {scenario.cancels_after_seconds for scenario in simple} == {None}


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
def test_a_session_rests_when_it_has_ended_or_waits_for_a_person(status: str, resting: bool, over: bool) -> None:
    scenario = draw(random.Random(1), "key")
    session = Session(scenario, Promise(scenario.key, scenario.body))
    session.sees(status)
    assert (session.is_resting, session.is_over) == (resting, over)
    assert (session.rested_at is not None) == resting


def test_what_a_method_takes_by_design_is_not_due_before() -> None:
    scenario = draw(random.Random(1), "key")
    session = Session(scenario, Promise(scenario.key, scenario.body))
    before = time.monotonic()
    session.acts("pm_card_visa")
    assert session.due_at <= time.monotonic()
    session.acts("pm_sandbox_processing")
    assert session.due_at >= before + 2


def accepted(load: Load, number: int) -> None:
    scenario = draw_simple(random.Random(number), f"key-{number}")
    session = Session(scenario, Promise(scenario.key, scenario.body, ids={f"chk_{number}"}))
    session.accepted_at = time.monotonic()
    load.sessions.append(session)


async def looked_again(response_takes_seconds: float, checkouts: int, timeout_seconds: float) -> list[str]:
    """What HTTP says of each checkout in the end, of a shop that takes so long for one response."""

    async def shop(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(response_takes_seconds)
        return httpx.Response(200, json={"id": request.url.path.rpartition("/")[2]})

    complaints: list[Violation] = []
    async with Clients(("http://shop", "http://provider"), ("storefront", "support"), 1, complaints.append) as clients:
        await clients.shop.http.aclose()
        clients.shop.http = httpx.AsyncClient(base_url="http://shop", transport=httpx.MockTransport(shop))
        load = Load(clients, 1, complaints)
        for number in range(checkouts):
            accepted(load, number)
        await load.look_again(timeout_seconds)
        return [session.promise.last["id"] for session in load.sessions if session.promise.last]


async def test_to_look_at_all_may_take_longer_than_to_look_at_one() -> None:
    assert await looked_again(0.05, checkouts=80, timeout_seconds=0.4) == [f"chk_{number}" for number in range(80)]


async def test_a_shop_that_does_not_respond_is_not_waited_for() -> None:
    with pytest.raises(TimeoutError):
        await looked_again(30, checkouts=20, timeout_seconds=0.1)
