"""What lies below an endpoint: keys in headers, and connections that end without a response."""

import asyncio
import base64
import binascii

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from checkout_lab.sandbox.errors import ApiError
from checkout_lab.sandbox.http.keys import MAX_KEY_LENGTH

_LONGEST_SILENCE_SECONDS = 120


class CuttableConnection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # a class chosen at run time by uvicorn
    """uvicorn's connection, which ASGI cannot cut; this one can be found by its peer and cut."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the transport by its peer."""
        super().connection_made(transport)
        self.app_state.setdefault("transports", {})[transport.get_extra_info("peername")[:2]] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the transport."""
        self.app_state["transports"].pop(self.transport.get_extra_info("peername")[:2], None)
        super().connection_lost(exc)


def require_api_key(request: Request) -> str:
    """The secret or restricted key that is shown, as bearer or as Basic user
    (https://docs.stripe.com/api/authentication).

    Raises:
        ApiError: there is none.
    """
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        credentials = _basic_user(credentials)
    if not credentials:
        raise ApiError(401, "You did not provide an API key. Send it as Authorization: Bearer YOUR_SECRET_KEY.")
    if not credentials.startswith(("sk_", "rk_")):
        raise ApiError(401, f"Invalid API Key provided: {credentials[:3]}****")
    return credentials


def _basic_user(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def key_of(request: Request) -> str | None:
    """The idempotency key of a POST.

    Raises:
        ApiError: it is too long.
    """
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key and len(key) > MAX_KEY_LENGTH:
        raise ApiError(400, f"Idempotency keys are at most {MAX_KEY_LENGTH} characters long.")
    return key


async def drop(request: Request) -> Response:
    """Close the connection without a response."""
    transports = request.scope["state"]["transports"]
    transport = transports.get(tuple(request.client or ()))
    if transport:
        transport.abort()
    await _gone(request)
    return Response()


async def never_respond(request: Request) -> Response:
    """Say nothing until the caller gives up; one who never does is cut off."""
    try:
        async with asyncio.timeout(_LONGEST_SILENCE_SECONDS):
            await _gone(request)
    except TimeoutError:
        return await drop(request)
    return Response()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
