"""Requests and order numbers."""

import re
import secrets

from checkout.domain.messages import Line, merge_lines
from checkout.domain.text import ORDER_NUMBER_BITS, order_number


def test_the_same_sku_twice_is_one_line() -> None:
    lines = (Line("MUG", 1), Line("PEN", 2), Line("MUG", 3))
    assert merge_lines(lines) == (Line("MUG", 4), Line("PEN", 2))


def test_order_numbers_can_be_read_over_the_phone_and_tell_nothing_of_each_other() -> None:
    numbers = {order_number(secrets.randbits(ORDER_NUMBER_BITS)) for _ in range(10_000)}
    assert len(numbers) == 10_000
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", number) for number in numbers)


def test_an_order_number_is_its_bits_five_a_symbol() -> None:
    assert (order_number(0), order_number(2**40 - 1), order_number(33)) == ("0000-0000", "ZZZZ-ZZZZ", "0000-0011")
