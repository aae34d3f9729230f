"""The provider's HTTP side: who may call, what a repeated call gets, and which responses never arrive."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from checkout_lab.sandbox import dashboard, pages
from checkout_lab.sandbox.background import Background
from checkout_lab.sandbox.errors import ApiError, key_in_use
from checkout_lab.sandbox.faults import Faults
from checkout_lab.sandbox.http import keys
from checkout_lab.sandbox.http.call import Delivery, SandboxCall
from checkout_lab.sandbox.http.form import parse
from checkout_lab.sandbox.http.wire import drop, key_of, never_respond, require_api_key
from checkout_lab.sandbox.ledger.ledger import SandboxLedger, dump, new_id
from checkout_lab.sandbox.ledger.owner import owner_of
from checkout_lab.sandbox.objects.settling import settle
from checkout_lab.sandbox.routes import API, Endpoint
from checkout_lab.sandbox.settings import SandboxSettings

_MAX_BODY_BYTES = 65_536


class Provider:
    """The provider while it runs: its ledger, its faults, and the keys whose requests are being worked on.

    ``calls`` counts the requests of Stripe's API by method and path, whatever became of them.
    """

    def __init__(self, ledger: SandboxLedger, faults: Faults, background: Background) -> None:
        self.ledger = ledger
        self.faults = faults
        self.background = background
        self.calls: Counter[str] = Counter()
        self._in_flight: set[str] = set()

    async def serve(self, endpoint: Endpoint, name: str, request: Request) -> Response:
        """Respond to one request of Stripe's API, or not at all; ``name`` is what it is counted as."""
        self.calls[name] += 1
        try:
            owner = owner_of(require_api_key(request), other=self.faults.account == "other")
            response, delivery = await (self._write if request.method == "POST" else self._read)(
                endpoint, request, owner
            )
        except ApiError as error:
            response, delivery = _response(error.status, dump(error.body), saved=error.saved), Delivery.RESPOND
        except ClientDisconnect:
            return Response()
        if delivery is Delivery.HANG:
            return await never_respond(request)
        if delivery is Delivery.DROP or self.faults.loses_response():
            return await drop(request)
        return response

    async def _read(self, endpoint: Endpoint, request: Request, owner: str) -> tuple[Response, Delivery]:
        await self.faults.before_execution()
        call = self._call(request, request.scope["query_string"], owner)
        with self.ledger.transaction():
            settle(self.ledger, call.now)
            return _response(200, dump(endpoint(call))), call.delivery

    async def _write(self, endpoint: Endpoint, request: Request, owner: str) -> tuple[Response, Delivery]:
        key = keys.own(key_of(request), owner)
        if key and key in self._in_flight:
            raise key_in_use(keys.as_sent(key))
        if key:
            self._in_flight.add(key)
        try:
            body = await _body(request)
            await self.faults.before_execution()
            call = self._call(request, body, owner)
            return self._execute(endpoint, call, request.scope["path"], keys.fingerprint(body))
        finally:
            self._in_flight.discard(key or "")

    def _call(self, request: Request, text: bytes, owner: str) -> SandboxCall:
        return SandboxCall(
            self.ledger,
            parse(text),
            time.time(),
            key=keys.own(key_of(request), owner),
            name=request.path_params.get("name", ""),
            base_url=f"{request.scope['scheme']}://{request.headers.get('host', '')}",
            owner=owner,
            faults=self.faults,
        )

    def _execute(self, endpoint: Endpoint, call: SandboxCall, path: str, print_: str) -> tuple[Response, Delivery]:
        with self.ledger.transaction():
            settle(self.ledger, call.now)
            if call.key and (saved := keys.saved_response(self.ledger, call.key, path, print_, call.now)):
                return _response(*saved, saved=True, replayed=True), Delivery.RESPOND
            try:
                status, body, save = 200, dump(endpoint(call)), True
            except ApiError as error:
                # What was counted or changed before the error is part of it, so the transaction commits.
                status, body, save = error.status, dump(error.body), error.saved
            if call.key and save:
                response = (None, None) if call.delivery is Delivery.HANG else (status, body)
                keys.save(self.ledger, call.key, path, print_, response, call.now)
        self.background.wake()
        return _response(status, body, saved=save), call.delivery


def _response(status: int, body: str, *, saved: bool = False, replayed: bool = False) -> Response:
    headers = {"Request-Id": new_id("req")}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    if status >= 409 and status != 429:
        headers["Stripe-Should-Retry"] = "false" if saved else "true"
    return Response(body, status, headers, "application/json")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise ApiError(413, f"A request is at most {_MAX_BODY_BYTES} bytes long.")
    return bytes(body)


async def _unrecognized(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return _response(status, dump(ApiError(status, message).body))


def build(settings: SandboxSettings) -> Starlette:
    """The ASGI application on the settings' ledger.

    Raises:
        sqlite3.Error: the ledger cannot be used.
    """
    ledger = SandboxLedger(settings.ledger, delivers_events=settings.webhook_url is not None)
    faults = Faults(recovered=ledger.note("recovered") == "yes")
    background = Background(ledger, faults, settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = background.start()
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        ledger.close()

    provider = Provider(ledger, faults, background)
    routes = _routes(provider)
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _unrecognized})
    app.state.ledger, app.state.faults, app.state.background = ledger, faults, background
    app.state.calls = provider.calls
    return app


def _routes(provider: Provider) -> list[Route]:
    def route(method: str, path: str, endpoint: Endpoint) -> Route:
        return Route(path, partial(provider.serve, endpoint, f"{method} {path}"), methods=[method])

    return [*(route(*one) for one in API), *dashboard.routes(), *pages.routes()]
