"""Which text people may give things as a name: what their languages need, and nothing that hides or breaks a line."""

import unicodedata
from typing import Final

#: The joiners: Persian and many scripts of India are not written right without them, nor are emoji of several people.
#: They change how their neighbours look, and neither hide nor reorder anything.
_JOINERS: Final = frozenset("\u200c\u200d")
#: Unicode's spaces within a line. French sets a no-break one before a colon, Japanese a wide one between names.
_SPACE: Final = "Zs"


def is_name(text: str, at_most: int) -> bool:
    """Whether the text is a line of 1 to ``at_most`` characters with something to see in it.

    Control characters, line separators, and what changes the direction of writing are in no name.
    """
    return 1 <= len(text) <= at_most and all(map(_is_allowed, text)) and any(map(_is_seen, text))


def _is_allowed(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == _SPACE


def _is_seen(char: str) -> bool:
    return char.isprintable() and not char.isspace()
