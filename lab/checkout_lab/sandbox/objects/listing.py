"""Lists (https://docs.stripe.com/api/pagination): newest first, by cursor, one page at a time."""

import json
from typing import Any

from checkout_lab.sandbox.errors import ApiError, Json, no_such
from checkout_lab.sandbox.http.call import SandboxCall
from checkout_lab.sandbox.http.form import boolean, integer, only, string
from checkout_lab.sandbox.ledger.ledger import Table
from checkout_lab.sandbox.objects.charges import expanded

_COMPARE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_COMMON = frozenset("limit starting_after ending_before created expand".split())
_OF_CHARGE = _COMMON | {"payment_intent", "charge"}


def intents(call: SandboxCall) -> Json:
    """GET /v1/payment_intents."""
    only(call.params, _COMMON)
    page = _page(call, "intents", "/v1/payment_intents")
    return page | {"data": [expanded(call, intent, "data.latest_charge") for intent in page["data"]]}


def refunds(call: SandboxCall) -> Json:
    """GET /v1/refunds, of one intent or charge if it is named."""
    only(call.params, _OF_CHARGE)
    return _page(call, "refunds", "/v1/refunds")


def disputes(call: SandboxCall) -> Json:
    """GET /v1/disputes, of one intent or charge if it is named."""
    only(call.params, _OF_CHARGE)
    return _page(call, "disputes", "/v1/disputes")


def warnings(call: SandboxCall) -> Json:
    """GET /v1/radar/early_fraud_warnings, of one intent or charge if it is named."""
    only(call.params, _OF_CHARGE)
    return _page(call, "warnings", "/v1/radar/early_fraud_warnings")


def events(call: SandboxCall) -> Json:
    """GET /v1/events (https://docs.stripe.com/api/events/list), of some types if they are named."""
    only(call.params, _COMMON | {"type", "types", "delivery_success"})
    return _page(call, "events", "/v1/events")


def event(call: SandboxCall) -> Json:
    """GET /v1/events/{id}."""
    only(call.params, frozenset({"expand"}))
    return call.need("events", "event", call.name, "id")


def _page(call: SandboxCall, table: Table, url: str) -> Json:
    limit = integer(call.params, "limit")
    limit = 10 if limit is None else limit
    if not 1 <= limit <= 100:
        raise ApiError(400, "Invalid integer: limit must be between 1 and 100.", param="limit")
    where, values = _conditions(call, table)
    backwards = _cursor(call, table, where, values)
    order = "ASC" if backwards else "DESC"
    rows = call.ledger.db.execute(
        f"SELECT body FROM {table} WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?",  # noqa: S608 - our words
        (*values, limit + 1),
    ).fetchall()
    page = [json.loads(body) for (body,) in rows[:limit]]
    return {"object": "list", "data": page[:: -1 if backwards else 1], "has_more": len(rows) > limit, "url": url}


def _conditions(call: SandboxCall, table: Table) -> tuple[list[str], list[Any]]:
    where: list[str] = ["owner = ?"]
    values: list[Any] = [call.owner]
    if table == "intents":
        where.append("visible_from <= ?")
        values.append(call.now)
    created = call.params.get("created", {})
    for name, value in created.items() if isinstance(created, dict) else (("", created),):
        if name not in _COMPARE and name:
            raise ApiError(400, f"Received unknown parameter: created[{name}]", param="created")
        seconds = integer({"created": value}, "created")
        where.append(f"created {_COMPARE.get(name, '=')} ?")
        values.append(seconds or 0)
    if intent := string(call.params, "payment_intent"):
        where.append("payment_intent = ?")
        values.append(intent)
    if charge := string(call.params, "charge"):
        where.append("json_extract(body, '$.charge') = ?")
        values.append(charge)
    _add_types(call, where, values)
    return where, values


def _add_types(call: SandboxCall, where: list[str], values: list[Any]) -> None:
    """The filters of events: one type, perhaps with ``*`` in it, or up to twenty; and whether they were taken."""
    one, several = string(call.params, "type"), call.params.get("types", {})
    if not isinstance(several, dict) or len(several) > 20 or any(not isinstance(it, str) for it in several.values()):
        raise ApiError(400, "types takes up to 20 names of events.", param="types")
    if one and several:
        raise ApiError(400, "You may only specify one of these parameters: type, types.")
    if one:
        where.append("type GLOB ?")
        values.append("".join(f"[{sign}]" if sign in "[?" else sign for sign in one))
    if several:
        where.append(f"type IN ({', '.join('?' * len(several))})")
        values.extend(several.values())
    if "delivery_success" in call.params:
        where.append(f"delivered IS {'NOT ' if boolean(call.params, 'delivery_success') else ''}NULL")


def _cursor(call: SandboxCall, table: Table, where: list[str], values: list[Any]) -> bool:
    after, before = string(call.params, "starting_after"), string(call.params, "ending_before")
    if after and before:
        raise ApiError(400, "You may only specify one of these parameters: starting_after, ending_before.")
    if not (name := after or before):
        return False
    row = call.ledger.db.execute(
        f"SELECT seq FROM {table} WHERE id = ? AND owner = ?",  # noqa: S608 - a Literal
        (name, call.owner),
    ).fetchone()
    if row is None:
        raise no_such(table.rstrip("s"), name, "starting_after" if after else "ending_before")
    where.append(f"seq {'<' if after else '>'} ?")
    values.append(row[0])
    return before is not None
