"""What only a sandbox has: its faults, its whole ledger, and the page where a person plays the bank's customer."""

import json
import time
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from checkout_lab.sandbox.errors import Json
from checkout_lab.sandbox.events.outbox import undelivered
from checkout_lab.sandbox.faults import Faults
from checkout_lab.sandbox.ledger.ledger import SandboxLedger, Table
from checkout_lab.sandbox.objects.settling import fail_authentication, settle, succeed

_SHOWN: tuple[Table, ...] = ("intents", "refunds", "disputes")

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sandbox bank</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1.5rem;margin-right:1rem}}</style>
<h1>Sandbox bank</h1>
{content}
</html>
"""
_FORM = """<p>A shop asks for <strong>{amount}</strong> ({description}). Is it you who pays?</p>
<form method="post">
<button formaction="/sandbox/authenticate/{id}/approve">Approve</button>
<button formaction="/sandbox/authenticate/{id}/fail">Fail</button>
</form>
"""


def routes() -> list[Route]:
    """The routes outside of Stripe's API. They ask for no key: a sandbox has nothing to hide."""
    return [
        Route("/healthz", healthz),
        Route("/sandbox/faults", show_faults, methods=["GET"]),
        Route("/sandbox/faults", set_faults, methods=["POST"]),
        Route("/sandbox/recover", recover, methods=["POST"]),
        Route("/sandbox/ledger", show_ledger),
        Route("/sandbox/traffic", show_traffic),
        Route("/sandbox/returned", returned),
        Route("/sandbox/authenticate/{name}", ask, methods=["GET"]),
        Route("/sandbox/authenticate/{name}/{outcome}", authenticate, methods=["POST"]),
    ]


async def healthz(_: Request) -> Response:
    """GET /healthz: the provider runs."""
    return JSONResponse({"status": "ok"})


async def show_faults(request: Request) -> Response:
    """GET /sandbox/faults."""
    return JSONResponse(request.app.state.faults.as_dict())


async def set_faults(request: Request) -> Response:
    """POST /sandbox/faults: change what is named, leave the rest."""
    try:
        changes = json.loads(await request.body())
        request.app.state.faults.set(changes)
    except ValueError as error:
        return JSONResponse({"error": {"type": "invalid_request_error", "message": str(error)}}, 400)
    if "recovered" in changes:
        _remember_recovery(request)
    request.app.state.background.wake()
    return await show_faults(request)


async def recover(request: Request) -> Response:
    """POST /sandbox/recover: every fault ends, and what fails until recovery is served, under old keys and new."""
    request.app.state.faults.set(Faults(recovered=True).as_dict())
    _remember_recovery(request)
    request.app.state.background.wake()
    return await show_faults(request)


def _remember_recovery(request: Request) -> None:
    request.app.state.ledger.set_note("recovered", "yes" if request.app.state.faults.recovered else "no")


async def show_ledger(request: Request) -> Response:
    """GET /sandbox/ledger: every intent, refund and dispute of whomever, oldest first, as one moment saw them."""
    ledger, now = request.app.state.ledger, time.time()
    with ledger.transaction():
        settle(ledger, now)
        tables = ",".join(f'"{name}":[{",".join(ledger.all_bodies(name, now))}]' for name in _SHOWN)
    return Response(f"{{{tables}}}", media_type="application/json")


async def show_traffic(request: Request) -> Response:
    """GET /sandbox/traffic: how often each call was made since the start, and how many events wait to be taken."""
    return JSONResponse(
        {"calls": request.app.state.calls, "events_waiting": undelivered(request.app.state.ledger)},
    )


async def returned(_: Request) -> Response:
    """GET /sandbox/returned: where a customer comes back to in a shop that has no page of its own."""
    return _page("<p>This is where the shop's own page would be. You can close this one.</p>")


async def ask(request: Request) -> Response:
    """GET /sandbox/authenticate/{intent}: the page that ``next_action`` leads to."""
    intent = request.app.state.ledger.get("intents", request.path_params["name"])
    if intent is None:
        return _page("<p>The bank knows nothing of this payment.</p>", 404)
    if intent["status"] != "requires_action":
        return _page(_nothing_to_do(intent))
    amount = f"{intent['amount']} {intent['currency'].upper()} in minor units"
    return _page(
        _FORM.format(id=intent["id"], amount=amount, description=escape(intent["description"] or intent["id"]))
    )


async def authenticate(request: Request) -> Response:
    """POST /sandbox/authenticate/{intent}/approve or /fail."""
    ledger, outcome = request.app.state.ledger, request.path_params["outcome"]
    with ledger.transaction():
        intent = ledger.get("intents", request.path_params["name"])
        if intent is None or outcome not in ("approve", "fail"):
            return _page("<p>The bank knows nothing of this payment.</p>", 404)
        if intent["status"] != "requires_action":
            return _page(_nothing_to_do(intent), 409)
        return_url = intent["next_action"].get("redirect_to_url", {}).get("return_url")
        _decide(ledger, intent, approved=outcome == "approve")
    request.app.state.background.wake()
    if return_url and return_url.startswith(("http://", "https://")):
        return RedirectResponse(return_url, 303)
    return _page(_nothing_to_do(intent))


def _decide(ledger: SandboxLedger, intent: Json, *, approved: bool) -> None:
    (succeed if approved else fail_authentication)(ledger, intent, time.time())


def _nothing_to_do(intent: Json) -> str:
    return f"<p>This payment is <strong>{escape(intent['status'])}</strong>. You can close this page.</p>"


def _page(content: str, status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(content=content), status)
