"""Reading a body: no more of it than allowed, and only if it is one unambiguous JSON object (RFC 8259).

Python's parser is more generous than the RFC. What two parsers could read in two ways (NaN, a name given twice, half
a surrogate pair) is refused here, before anything has been made of it.
"""

import asyncio
import json
import re
from typing import Any, Final, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.http.problems import BODY_TOO_LARGE, MALFORMED_JSON, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE, Problem

MAX_BODY_BYTES: Final = 64 * 1024
#: How long a whole body may take. The longest, 1 MiB, is there in that time at 420 kbit/s; one that is not is mostly
#: from somebody who wants to keep a connection and what was sent in memory.
BODY_SECONDS: Final = 20.0


def time_for_a_body() -> asyncio.Timeout:
    """The time limit of a body that begins now."""
    return asyncio.timeout(BODY_SECONDS)


async def read_json_object(request: Request) -> dict[str, Any]:
    """The body as a dictionary.

    Raises:
        Problem: 408 when it takes too long, 413 over 64 KiB, 415 for another media type or a compressed body, 400 for
            what is not a JSON object.
    """
    raw = await read_bytes(request)
    refuse_other_media_types(request)
    return parse_object(raw)


async def read_bytes(request: Request, at_most: int = MAX_BODY_BYTES, limit: asyncio.Timeout | None = None) -> bytes:
    """The body, counted while it comes in, because a Content-Length may be missing or wrong.

    ``limit``: that of a body whose time has begun already.

    Raises:
        Problem: 413 over ``at_most`` bytes; 408 when it takes too long; 400 when the client goes away before its end.
    """
    try:
        async with limit or time_for_a_body():
            return await _read_bytes(request, at_most)
    except TimeoutError as slow:
        # The connection is closed: what still comes of this body must not be taken for the next request.
        raise Problem(
            REQUEST_TIMEOUT, "The body was not there in time; nothing was done.", headers={"Connection": "close"}
        ) from slow


async def _read_bytes(request: Request, at_most: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:19]) > at_most:
        raise _too_large(at_most)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > at_most:
                raise _too_large(at_most)
    except ClientDisconnect as gone:
        raise Problem(MALFORMED_JSON, "The body ended before its end.") from gone
    return bytes(body)


def refuse_other_media_types(request: Request) -> None:
    """Accept `application/json` in UTF-8, as it is, and nothing else.

    Raises:
        Problem: 415.
    """
    headers = request.headers
    if not _is_json(headers.get("content-type", "")):
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "Send 'Content-Type: application/json', in UTF-8.")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding.")


def _is_json(content_type: str) -> bool:
    media_type, *parameters = [part.strip().lower() for part in content_type.split(";")]
    # RFC 8259 gives the type no parameters; a charset is harmless as long as it tells the truth.
    charsets = [parameter for parameter in parameters if parameter.startswith("charset")]
    return media_type == "application/json" and all(re.fullmatch(r'charset="?utf-?8"?', each) for each in charsets)


def parse_object(raw: bytes) -> dict[str, Any]:
    """One JSON object out of UTF-8 bytes.

    Raises:
        Problem: 400; the text says what is wrong, and shows nothing of the body.
    """
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise _malformed("it is nested too deeply") from error
    except ValueError as error:  # An integer of thousands of digits; Python refuses to read it.
        raise _malformed("a number in it is too long") from error
    if not isinstance(value, dict):
        raise _malformed("it is JSON, but not an object")
    if b"\\u" in raw:
        _refuse_unprintable(value)
    return value


def _refuse_unprintable(value: object) -> None:
    # With a stack of its own: the nesting is the caller's, and must not exhaust ours.
    remaining = [value]
    while remaining:
        match remaining.pop():
            case dict() as entries:
                remaining += [*entries.keys(), *entries.values()]
            case list() as items:
                remaining += items
            case str() as text if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
                raise _malformed("a string in it has a NUL or half a surrogate pair")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise _malformed("a name in it is given twice")
    return entries


def _no_constant(_: str) -> NoReturn:
    raise _malformed("NaN and Infinity are not JSON")


def _malformed(what: str) -> Problem:
    return Problem(MALFORMED_JSON, f"The body is not a JSON object: {what}.")


def _too_large(at_most: int) -> Problem:
    # The connection stays open: the server reads the rest and forgets it, so that a client still sending gets to see
    # this answer instead of a reset.
    return Problem(BODY_TOO_LARGE, f"A body has at most {at_most} bytes here.")
