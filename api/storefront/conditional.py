"""Conditional requests: `If-None-Match` and `ETag` (RFC 9110)."""

import re
from collections.abc import Sequence
from hashlib import sha256

_ENTITY_TAG = re.compile(r'\s*(?:W/)?("[!#-~\x80-\xff]*")\s*(?:,|$)')


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
