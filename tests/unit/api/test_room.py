"""The room measures the shop and refuses what it cannot do in time: here with a clock that only the test moves."""

from contextlib import suppress

import pytest

from api.admission.demand import MAX_NAMES, Demand
from api.admission.gate import PROBLEMS
from api.admission.room import LEAST, LONGEST_RETRY_AFTER_SECONDS, MOST, NoRoom, Place, Room, Shortage

SECONDS = 5.0


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(clock: Clock) -> Room:
    return Room(SECONDS, clock)


def enter(room: Room, caller: str = "shop", article: str = "MUG") -> Place:
    """As the gate does it."""
    room.refuse_if_full(caller)
    room.refuse_rush([article])
    return room.take(caller)


def fill(room: Room, caller: str = "shop") -> list[Place]:
    """As many as are let in."""
    places = []
    try:
        while True:
            places.append(enter(room, caller))
    except NoRoom:
        return places


def sell(room: Room, clock: Clock, per_second: float, seconds: float) -> None:
    """A shop that is full all the time, and finishes so many a second, the first that came first."""
    places = fill(room)
    for _ in range(int(per_second * seconds)):
        clock.pass_by(1 / per_second)
        room.leave(places.pop(0), is_at_rest=True)
        places += fill(room)
    for place in places:
        room.leave(place)


@pytest.mark.parametrize("per_second", [10, 20, 45, 500])
def test_the_room_is_what_the_shop_finishes_in_the_time_that_a_checkout_may_take(
    room: Room, clock: Clock, per_second: int
) -> None:
    sell(room, clock, per_second, seconds=60)
    assert room.limit == pytest.approx(per_second * SECONDS, rel=0.1)


def test_the_room_follows_a_shop_that_becomes_slower_and_faster_again(room: Room, clock: Clock) -> None:
    for per_second in (40, 12, 40):
        sell(room, clock, per_second, seconds=60)
        assert room.limit == pytest.approx(per_second * SECONDS, rel=0.1)


def test_some_may_always_be_under_way_and_never_more_than_can_be_watched(room: Room, clock: Clock) -> None:
    sell(room, clock, per_second=0.5, seconds=300)
    assert room.limit == LEAST
    for _ in range(1000):
        room.leave(enter(room), is_at_rest=True)
    assert room.limit == MOST


def test_a_shop_with_little_to_do_has_room_for_much_more_than_comes(room: Room, clock: Clock) -> None:
    for _ in range(50):
        place = enter(room)
        clock.pass_by(0.2)
        room.leave(place, is_at_rest=True)
        clock.pass_by(2)
    assert room.limit == LEAST  # One in 0.2 s: five a second, for five seconds.
    assert room.under_way == 0


def test_what_was_cut_short_says_nothing_of_the_shop(room: Room, clock: Clock) -> None:
    before = room.limit
    place = enter(room)
    clock.pass_by(50)
    room.leave(place)
    assert (room.limit, room.under_way) == (before, 0)


def test_who_finds_no_room_is_told_when_to_come_back_and_everybody_another_time(room: Room) -> None:
    fill(room)
    refused = []
    for _ in range(2000):
        with pytest.raises(NoRoom) as refusal:
            room.refuse_if_full("shop")
        assert refusal.value.shortage == Shortage.FULL
        refused.append(refusal.value.retry_after_seconds)
    assert min(refused) == 1
    # The more are sent away, the longer they are spread over.
    assert max(refused[:5]) < max(refused[-500:]) <= LONGEST_RETRY_AFTER_SECONDS
    assert len(set(refused[-500:])) > 10


def test_every_shortage_has_a_problem_that_is_counted_and_not_logged() -> None:
    assert {shortage: (kind.code, kind.is_shed) for shortage, (kind, _) in PROBLEMS.items()} == {
        Shortage.FULL: ("overloaded", True),
        Shortage.MORE_THAN_A_SHARE: ("too_many_requests", True),
        Shortage.RUSH: ("article_in_demand", True),
    }
    assert set(PROBLEMS) == set(Shortage)


def test_one_caller_leaves_the_last_of_the_room_to_the_others(room: Room) -> None:
    enter(room, "small")
    fill(room, "greedy")
    with pytest.raises(NoRoom) as refusal:
        room.refuse_if_full("greedy")
    assert refusal.value.shortage == Shortage.MORE_THAN_A_SHARE
    others = fill(room, "small")
    assert len(others) == pytest.approx(0.2 * room.limit, abs=2)
    assert room.under_way == room.limit


def test_a_caller_who_is_alone_may_have_all_of_it(room: Room) -> None:
    assert len(fill(room)) == room.limit


def test_an_article_that_nobody_competes_with_may_fill_the_room(room: Room, clock: Clock) -> None:
    for _ in range(room.limit):
        enter(room, article="HOT")
    assert room.under_way == room.limit


def test_an_article_in_a_rush_leaves_the_shop_to_the_others(room: Room, clock: Clock) -> None:
    sell(room, clock, per_second=20, seconds=60)
    clock.pass_by(60)
    for n in range(1000):
        if n % 100 == 0:
            enter(room, article="BOOK")
        with suppress(NoRoom):
            enter(room, article="HOT")
        clock.pass_by(0.002)
    with pytest.raises(NoRoom) as refusal:
        enter(room, article="HOT")
    assert refusal.value.shortage == Shortage.RUSH
    # A second's work before it is seen to be a rush, and a third of what the shop does from then on: for two seconds.
    assert room.under_way - 10 == pytest.approx(20 + 2 * 20 / 3, rel=0.3)


def test_one_checkout_that_hangs_says_little_of_the_shop_and_many_say_all(room: Room, clock: Clock) -> None:
    sell(room, clock, per_second=40, seconds=60)
    before, hanging = room.limit, [enter(room) for _ in range(50)]
    clock.pass_by(60)
    room.leave(hanging.pop(), is_at_rest=True)
    assert room.limit > 0.9 * before
    for place in hanging:
        room.leave(place, is_at_rest=True)
    assert room.limit < 0.5 * before


def test_a_crowd_that_wants_everything_is_no_rush(room: Room, clock: Clock) -> None:
    sell(room, clock, per_second=20, seconds=60)
    clock.pass_by(60)
    for n in range(room.limit):
        enter(room, article=f"BOOK-{n % 5}")
        clock.pass_by(0.001)
    assert room.under_way == room.limit


def test_a_few_buyers_of_a_slow_shop_are_no_rush(room: Room, clock: Clock) -> None:
    sell(room, clock, per_second=0.5, seconds=300)
    clock.pass_by(60)
    enter(room, article="BOOK")
    for _ in range(5):
        enter(room, article="MUG")
    assert room.under_way == 6


def test_a_rush_lasts_until_what_is_asked_for_is_what_is_sold_in_it(room: Room, clock: Clock) -> None:
    sell(room, clock, per_second=30, seconds=60)
    clock.pass_by(60)
    for per_second, are_let_in in ((200, False), (20, False), (3, True)):
        let_in = []
        for n in range(10 * per_second):
            with suppress(NoRoom):
                room.refuse_rush(["HOT"])
                let_in.append(n)
            if n % per_second == 0:
                room.refuse_rush(["BOOK"])
            clock.pass_by(1 / per_second)
        lately = [n for n in let_in if n >= 5 * per_second]
        assert len(lately) / 5 == pytest.approx(per_second if are_let_in else 10, rel=0.2)


def test_a_rush_that_is_over_leaves_no_trace(room: Room, clock: Clock) -> None:
    enter(room, article="BOOK")
    for _ in range(1000):
        try:
            room.leave(enter(room, article="HOT"))
        except NoRoom:
            clock.pass_by(0.001)
    clock.pass_by(10)
    enter(room, article="BOOK")
    for _ in range(10):
        enter(room, article="HOT")


def test_demand_is_a_rate_that_is_forgotten(clock: Clock) -> None:
    demand = Demand(clock, memory_seconds=2)
    for _ in range(100):
        demand.note("MUG")
        clock.pass_by(0.1)
    assert demand.per_second("MUG") == pytest.approx(10, rel=0.1)
    clock.pass_by(20)
    assert demand.per_second("MUG") < 0.01
    assert demand.per_second("nothing") == 0


def test_names_that_callers_make_up_are_not_kept_without_end(clock: Clock) -> None:
    demand = Demand(clock, memory_seconds=2)
    for n in range(3 * MAX_NAMES):
        demand.note("MUG")
        demand.note(f"made up {n}")
    assert len(demand._rates) <= MAX_NAMES
    assert demand.per_second("MUG") > MAX_NAMES
