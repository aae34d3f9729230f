"""Lists (https://docs.stripe.com/api/pagination): newest first, by cursor, one page at a time."""

import json
from typing import Any

from checkout.sandbox.call import Call
from checkout.sandbox.charges import expanded
from checkout.sandbox.errors import ApiError, Json, no_such
from checkout.sandbox.form import integer, only, string
from checkout.sandbox.ledger import Table

_COMPARE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_COMMON = frozenset("limit starting_after ending_before created expand".split())


def intents(call: Call) -> Json:
    """GET /v1/payment_intents."""
    only(call.params, _COMMON)
    page = _page(call, "intents", "/v1/payment_intents")
    return page | {"data": [expanded(call, intent, "data.latest_charge") for intent in page["data"]]}


def refunds(call: Call) -> Json:
    """GET /v1/refunds, of one intent if ``payment_intent`` names it."""
    only(call.params, _COMMON | {"payment_intent"})
    return _page(call, "refunds", "/v1/refunds")


def _page(call: Call, table: Table, url: str) -> Json:
    limit = integer(call.params, "limit")
    limit = 10 if limit is None else limit
    if not 1 <= limit <= 100:
        raise ApiError(400, "Invalid integer: limit must be between 1 and 100.", param="limit")
    where, values = _conditions(call)
    backwards = _cursor(call, table, where, values)
    order = "ASC" if backwards else "DESC"
    rows = call.ledger.db.execute(
        f"SELECT body FROM {table} WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?",  # noqa: S608 - our words
        (*values, limit + 1),
    ).fetchall()
    page = [json.loads(body) for (body,) in rows[:limit]]
    return {"object": "list", "data": page[:: -1 if backwards else 1], "has_more": len(rows) > limit, "url": url}


def _conditions(call: Call) -> tuple[list[str], list[Any]]:
    where: list[str] = ["visible_from <= ?"]
    values: list[Any] = [call.now]
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
    return where, values


def _cursor(call: Call, table: Table, where: list[str], values: list[Any]) -> bool:
    after, before = string(call.params, "starting_after"), string(call.params, "ending_before")
    if after and before:
        raise ApiError(400, "You may only specify one of these parameters: starting_after, ending_before.")
    if not (name := after or before):
        return False
    row = call.ledger.db.execute(f"SELECT seq FROM {table} WHERE id = ?", (name,)).fetchone()  # noqa: S608 - a Literal
    if row is None:
        raise no_such(table.rstrip("s"), name, "starting_after" if after else "ending_before")
    where.append(f"seq {'<' if after else '>'} ?")
    values.append(row[0])
    return before is not None
