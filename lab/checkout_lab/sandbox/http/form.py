"""Stripe's parameters: form-encoded, nested by brackets (``metadata[checkout_id]=chk_1``, ``expand[]=charge``)."""

import re
from typing import Any
from urllib.parse import parse_qsl

from checkout_lab.sandbox.errors import ApiError, Json, missing

Params = dict[str, Any]

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_MAX_FIELDS = 500


def parse(text: bytes) -> Params:
    """Parameters as nested dicts of strings; a list is a dict whose keys are its indices.

    Raises:
        ApiError: it is not UTF-8, has too many fields, or names one thing twice in different shapes.
    """
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise ApiError(400, "Invalid request: the parameters could not be decoded.") from None
    params: Params = {}
    for name, value in pairs:
        _put(params, name, value)
    return params


def _put(params: Params, name: str, value: str) -> None:
    match = _NAME.fullmatch(name)
    if not match:
        raise ApiError(400, f"Invalid parameter name: {name}", param=name)
    node, key = params, match[1]
    for part in match[2][1:-1].split("][") if match[2] else ():
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise ApiError(400, "Invalid hash", param=name)
        key = part or str(len(node))
    if isinstance(node.get(key), dict):
        raise ApiError(400, "Invalid string", param=name)
    node[key] = value


def only(params: Params, known: frozenset[str]) -> None:
    """Refuse parameters that the endpoint does not know, as Stripe does.

    Raises:
        ApiError: one is unknown.
    """
    for name in params:
        if name not in known:
            raise ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def string(params: Params, name: str) -> str | None:
    """A string, or None when it was not sent or sent empty.

    Raises:
        ApiError: it is not a string, or too long.
    """
    value = params.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > 5000):
        raise ApiError(400, f"Invalid string: {name}", param=name)
    return value or None


def integer(params: Params, name: str) -> int | None:
    """A whole number, or None when it was not sent.

    Raises:
        ApiError: it is anything else.
    """
    value = string(params, name)
    if value is None:
        return None
    if not _INTEGER.fullmatch(value):
        raise ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def boolean(params: Params, name: str) -> bool:
    """``true`` or ``false``; false when it was not sent.

    Raises:
        ApiError: it is anything else.
    """
    value = string(params, name)
    if value not in (None, "true", "false"):
        raise ApiError(400, f"Invalid boolean: {value}", param=name)
    return value == "true"


def required(params: Params, name: str) -> str:
    """A string that must be there.

    Raises:
        ApiError: it is not.
    """
    value = string(params, name)
    if value is None:
        raise missing(name)
    return value


def metadata(params: Params) -> Json:
    """Up to 50 pairs of strings, 40 and 500 characters long (https://docs.stripe.com/api/metadata).

    Raises:
        ApiError: there are more, or one is longer.
    """
    pairs = params.get("metadata", {})
    if not isinstance(pairs, dict) or any(not isinstance(value, str) for value in pairs.values()):
        raise ApiError(400, "Invalid hash", param="metadata")
    if len(pairs) > 50 or any(len(key) > 40 or len(value) > 500 for key, value in pairs.items()):
        raise ApiError(400, "Metadata takes 50 keys of 40 characters, with values of 500.", param="metadata")
    return {key: value for key, value in pairs.items() if value}
