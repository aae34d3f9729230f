"""A campaign can be repeated: its schedule comes from the seed, and leaves no fault out."""

from collections import Counter
from itertools import groupby

import pytest

from checkout_lab.chaos.faults.catalogue import FAULTS
from checkout_lab.chaos.schedule import plan

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_gives_the_same_schedule(seed: int) -> None:
    assert plan(seed, 100) == plan(seed, 100)


def test_another_seed_gives_another_schedule() -> None:
    assert len({tuple(planned.name for planned in plan(seed, 20)) for seed in SEEDS}) == len(SEEDS)


def test_the_order_in_which_faults_are_named_does_not_matter() -> None:
    assert plan(7, 10, ["api-kill", "worker-kill"]) == plan(7, 10, ["worker-kill", "api-kill", "api-kill"])


@pytest.mark.parametrize("seed", SEEDS)
def test_each_kind_comes_once_before_any_comes_again(seed: int) -> None:
    names = [planned.name for planned in plan(seed, 3 * len(FAULTS))]

    for start in range(0, len(names), len(FAULTS)):
        assert Counter(names[start : start + len(FAULTS)]) == Counter(list(FAULTS))


@pytest.mark.parametrize("seed", SEEDS)
def test_two_at_once_come_from_different_places(seed: int) -> None:
    turns = [list(turn) for _, turn in groupby(plan(seed, 200), key=lambda planned: planned.number)]

    assert {len(turn) for turn in turns} == {1, 2}
    for turn in turns:
        assert len({FAULTS[planned.name].where for planned in turn}) == len(turn)


@pytest.mark.parametrize("faults", [0, 1, 2, 61])
def test_a_schedule_has_as_many_faults_as_were_asked_for(faults: int) -> None:
    assert len(plan(1, faults)) == faults


def test_a_fault_is_kept_up_for_as_long_as_its_kind_allows() -> None:
    for planned in plan(3, 500):
        shortest, longest = FAULTS[planned.name].seconds
        assert shortest <= planned.seconds <= longest


def test_an_unknown_fault_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="no such fault: worker-tickle; there are worker-kill"):
        plan(1, 5, ["worker-kill", "worker-tickle"])
    with pytest.raises(ValueError, match="none was named"):
        plan(1, 5, [])


def test_every_fault_says_what_it_is() -> None:
    for name, fault in FAULTS.items():
        assert name == fault.name
        assert fault.what
        assert 0 <= fault.seconds[0] <= fault.seconds[1]
