"""What is written for people: names as their languages need them, order numbers, and never a card number as an id.

A card number has the shape of ISO/IEC 7812: 13 to 19 digits with a Luhn check digit, of an issuer whose first digit is
2 to 6 (all the payment networks). Digits may be grouped the way cards print them. To spare honest ids, the digits must
stand for themselves (not inside a hexadecimal id), and thirteen digits with a right GS1 check digit are an EAN barcode.
"""

import re
import unicodedata
from typing import Final

#: The joiners: Persian and many scripts of India are not written right without them, nor are emoji of several people.
#: They change how their neighbours look, and neither hide nor reorder anything.
_JOINERS: Final = frozenset("\u200c\u200d")
#: Unicode's spaces within a line. French sets a no-break one before a colon, Japanese a wide one between names.
_SPACE: Final = "Zs"
#: Crockford's Base32 (https://www.crockford.com/base32.html): no I, L, O or U, so nothing is misheard or misread.
_SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: An order number has so many bits. Drawn at random, none tells anything of the next.
ORDER_NUMBER_BITS: Final = 40


def order_number(bits: int) -> str:
    """The number of `ORDER_NUMBER_BITS` bits as people say it: eight symbols, as ``K7QM-3XTD``."""
    symbols = "".join(_SYMBOLS[bits >> shift & 31] for shift in range(ORDER_NUMBER_BITS - 5, -1, -5))
    return f"{symbols[:4]}-{symbols[4:]}"


def is_name(text: str, at_most: int) -> bool:
    """Whether the text is a line of 1 to ``at_most`` characters with something to see in it.

    Control characters, line separators, and what changes the direction of writing are in no name.
    """
    return 1 <= len(text) <= at_most and all(map(_is_allowed, text)) and any(map(_is_seen, text))


def _is_allowed(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == _SPACE


def _is_seen(char: str) -> bool:
    return char.isprintable() and not char.isspace()


_CANDIDATE = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"\d{13,19}"
    r"|\d{4}([-. /_:])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?"  # 4-4-4-4, 4-4-4-4-3
    r"|\d{4}([-. /_:])\d{6}\2\d{4,5}"  # 4-6-5 and 4-6-4
    r")(?![0-9A-Za-z])"
)


def looks_like_a_card_number(text: str) -> bool:
    """Whether the text holds what is most likely the number of a payment card."""
    return any(_is_card(re.sub(r"\D", "", match[0])) for match in _CANDIDATE.finditer(text))


def _is_card(digits: str) -> bool:
    if not 13 <= len(digits) <= 19 or digits[0] not in "23456":
        return False
    return _luhn(digits) and not (len(digits) == 13 and _gs1(digits))


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: from the right, every second digit doubled, the digits' sum a multiple of ten."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(doubled[value] for value in values[1::2])) % 10 == 0


def _gs1(digits: str) -> bool:
    """GS1 General Specifications, 7.9: from the right, weights of one and three in turn."""
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + 3 * sum(values[1::2])) % 10 == 0
