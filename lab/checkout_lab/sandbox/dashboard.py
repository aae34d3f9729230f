"""What a person does in the provider's dashboard, and what a bank does to a payment: no call of the API's, but with all
of its effects and events.
"""

import json
import time
from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from checkout_lab.sandbox.errors import ApiError, Json, no_such
from checkout_lab.sandbox.http.call import SandboxCall
from checkout_lab.sandbox.ledger.ledger import Table
from checkout_lab.sandbox.objects import disputes, fraud, intents, refunds
from checkout_lab.sandbox.objects.settling import settle

Act = Callable[[SandboxCall, Json], Json]


def routes() -> list[Route]:
    """Each takes a JSON object and returns the id of what it made or changed."""
    acts: dict[str, tuple[Act, str]] = {
        "refund": (_refund, "payment_intent amount"),
        "cancel": (_cancel, "payment_intent"),
        "dispute": (_dispute, "payment_intent amount reason kind"),
        "dispute/close": (_close_dispute, "dispute status"),
        "fraud-warning": (_warn, "payment_intent"),
    }
    return [
        Route(f"/sandbox/dashboard/{path}", partial(_serve, act, frozenset(fields.split())), methods=["POST"])
        for path, (act, fields) in acts.items()
    ]


async def _serve(act: Act, known: frozenset[str], request: Request) -> Response:
    state = request.app.state
    call = SandboxCall(state.ledger, {}, time.time(), faults=state.faults)
    try:
        body = _read(await request.body(), known)
        with call.ledger.transaction():
            settle(call.ledger, call.now)
            done = act(call, body)
    except ApiError as error:
        return JSONResponse(error.body, error.status)
    state.background.wake()
    return JSONResponse({"id": done["id"]})


def _read(text: bytes, known: frozenset[str]) -> Json:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, f"Send a JSON object with {', '.join(sorted(known))}.")
    for name in body:
        if name not in known:
            raise ApiError(400, f"{name}: there is no such field; there are {', '.join(sorted(known))}.", param=name)
    return body


def _refund(call: SandboxCall, body: Json) -> Json:
    return refunds.give_back(call, _intent(call, body), _amount(body), None, {})


def _cancel(call: SandboxCall, body: Json) -> Json:
    return intents.call_off(call, _intent(call, body), "requested_by_customer")


def _dispute(call: SandboxCall, body: Json) -> Json:
    reason = _one_of(body, "reason", disputes.REASONS, "fraudulent")
    inquiry = _one_of(body, "kind", ("dispute", "inquiry"), "dispute") == "inquiry"
    return disputes.begin(call, _intent(call, body), _amount(body), reason, inquiry=inquiry)


def _close_dispute(call: SandboxCall, body: Json) -> Json:
    status = _one_of(body, "status", ("won", "lost"), None)
    return disputes.close(call, _named(call, body, "disputes", "dispute"), status)


def _warn(call: SandboxCall, body: Json) -> Json:
    return fraud.warn(call, _intent(call, body))


def _intent(call: SandboxCall, body: Json) -> Json:
    return _named(call, body, "intents", "payment_intent")


def _named(call: SandboxCall, body: Json, table: Table, field: str) -> Json:
    """The object that a field names, whosever it is."""
    name = body.get(field)
    if not isinstance(name, str) or not name:
        raise ApiError(400, f"{field}: must be an id.", param=field)
    found = call.ledger.get(table, name)
    if found is None:
        raise no_such(field, name, field, 404)
    return found


def _amount(body: Json) -> int | None:
    amount = body.get("amount")
    if amount is not None and (not isinstance(amount, int) or isinstance(amount, bool) or amount < 1):
        raise ApiError(400, "amount: must be a positive whole number, in the provider's units.", param="amount")
    return amount


def _one_of(body: Json, field: str, choices: list[str] | tuple[str, ...], default: str | None) -> str:
    value = body.get(field, default)
    if value not in choices:
        raise ApiError(400, f"{field}: must be one of {', '.join(choices)}.", param=field)
    return str(value)
