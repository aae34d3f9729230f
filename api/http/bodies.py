"""Reading a body: no more of it than allowed, and only if it is one unambiguous JSON object (RFC 8259).

Python's parser accepts more than the RFC. What two parsers could read in two ways (NaN, a name given twice, half a
surrogate pair) is refused here.
"""

import asyncio
import json
import re
from typing import Any, Final, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.http.problems import BODY_TOO_LARGE, MALFORMED_JSON, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE, Problem

MAX_BODY_BYTES: Final = 64 * 1024
#: How long a whole body may take. The longest, 1 MiB, takes that long at 420 kbit/s; a slower one is most likely meant
#: to keep a connection and memory busy.
BODY_SECONDS: Final = 20.0


def time_for_a_body() -> asyncio.Timeout:
    """The time limit for a body that begins now."""
    return asyncio.timeout(BODY_SECONDS)


async def read_bytes(request: Request, at_most: int = MAX_BODY_BYTES, limit: asyncio.Timeout | None = None) -> bytes:
    """The body, counted while it is received, because a Content-Length may be missing or wrong.

    ``limit``: the time limit, if it has begun already.

    Raises:
        Problem: 413 over ``at_most`` bytes; 408 when it takes too long; 400 when the client goes away before its end.
    """
    try:
        async with limit or time_for_a_body():
            return await _read_bytes(request, at_most)
    except TimeoutError as slow:
        # The connection is closed: the rest of this body must not be taken for the next request.
        raise Problem(
            REQUEST_TIMEOUT, "The body did not arrive in time; nothing was done.", headers={"Connection": "close"}
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
        raise Problem(MALFORMED_JSON, "The connection was closed before the whole body had arrived.") from gone
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
    """The JSON object that these bytes are, in UTF-8.

    Raises:
        Problem: 400; the detail says what is wrong, and repeats nothing of the body.
    """
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise _malformed("it is nested too deeply") from error
    except ValueError as error:  # An integer of thousands of digits, which Python refuses to read.
        raise _malformed("a number in it is too long") from error
    if not isinstance(value, dict):
        raise _malformed("it is JSON, but not an object")
    if b"\\u" in raw:
        _refuse_unprintable(value)
    return value


def _refuse_unprintable(value: object) -> None:
    # Without recursion: the caller decides how deep it is nested, and must not exhaust the stack.
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
    # The connection stays open: the server reads the rest and discards it, so that a client that is still sending sees
    # this response instead of a reset.
    return Problem(BODY_TOO_LARGE, f"The body may have at most {at_most} bytes.")
