"""Requests and order numbers."""

import re

from activities.orders import new_order_number
from checkout.domain.messages import Line, merge_lines


def test_the_same_sku_twice_is_one_line() -> None:
    lines = (Line("MUG", 1), Line("PEN", 2), Line("MUG", 3))
    assert merge_lines(lines) == (Line("MUG", 4), Line("PEN", 2))


def test_order_numbers_can_be_read_over_the_phone_and_tell_nothing_of_each_other() -> None:
    numbers = {new_order_number() for _ in range(10_000)}
    assert len(numbers) == 10_000
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", number) for number in numbers)
