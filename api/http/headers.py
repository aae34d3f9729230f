"""How long a client is willing to wait: the header `Prefer: wait` (RFC 7240)."""

import re
from collections.abc import Sequence
from typing import Final

MAX_WAIT_SECONDS: Final = 30


def preferred_wait_seconds(values: Sequence[str]) -> int | None:
    """The seconds that `Prefer: wait=N` asks for, capped at `MAX_WAIT_SECONDS`; None without a well-formed one.

    RFC 7240: a preference given more than once counts the first time, and a malformed one is ignored.
    """
    for preference in _split(",".join(values), ","):
        name, _, value = _split(preference, ";")[0].partition("=")
        if name.strip().lower() == "wait":
            return _seconds(value.strip())
    return None


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that stand outside of quotes; by hand, so that no input can make it slow."""
    parts, start, is_quoted, is_escaped = [], 0, False, False
    for position, char in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif is_quoted and char == "\\":
            is_escaped = True
        elif char == '"':
            is_quoted = not is_quoted
        elif char == separator and not is_quoted:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _seconds(word: str) -> int | None:
    match = re.fullmatch(r'"([0-9]{1,9})"|([0-9]{1,9})', word)
    return min(int(match[1] or match[2]), MAX_WAIT_SECONDS) if match else None
