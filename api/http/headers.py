"""Conditional requests and long polls: `If-None-Match` and `ETag` (RFC 9110), `Prefer: wait` (RFC 7240)."""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

MAX_WAIT_SECONDS: Final = 30

_ENTITY_TAG = re.compile(r'\s*(?:W/)?("[!#-~\x80-\xff]*")\s*(?:,|$)')


def preferred_wait_seconds(values: Sequence[str]) -> int | None:
    """The seconds that `Prefer: wait=N` asks for, capped at `MAX_WAIT_SECONDS`; None without a well-formed one.

    RFC 7240: a preference given more than once counts the first time, and a malformed one is ignored.
    """
    for preference in _split(",".join(values), ","):
        name, _, value = _split(preference, ";")[0].partition("=")
        if name.strip().lower() == "wait":
            return _seconds(value.strip())
    return None


def entity_tag(body: bytes, *, is_stale: bool = False) -> str:
    """A strong entity tag of exactly these bytes. A stale view never has the tag of a fresh one."""
    return f'"{sha256((b"stale:" if is_stale else b"fresh:") + body).hexdigest()[:32]}"'


def none_match(values: Sequence[str], tag: str) -> bool:
    """Whether no tag of `If-None-Match` is this one: tags are compared weakly, and `*` stands for all.

    True without such a header, and when nothing in it is well-formed.
    """
    text = ",".join(values)
    return text.strip() != "*" and tag not in _entity_tags(text)


def _entity_tags(text: str) -> set[str]:
    tags, position = set(), 0
    while match := _ENTITY_TAG.match(text, position):
        tags.add(match[1])
        position = match.end()
    return tags


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
