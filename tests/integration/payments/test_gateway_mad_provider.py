"""Whatever a provider may answer, the gateway says in time that it does not know."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

import pytest

from checkout.config.settings import PaymentSettings
from checkout.domain.errors import OutcomeUnknown, ProviderUnavailable
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.attempts import attempt, refund_of


class MadProvider(Protocol):
    """Starts a provider that gives one answer to everything, and makes a gateway to it."""

    def __call__(self, answer: bytes, *, drips: bool = False) -> Awaitable[PaymentGateway]: ...


def _answer(body: bytes, status: str = "200 OK", length: int | None = None, more: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length or len(body)}\r\n"
    return head.encode() + more + b"\r\n" + body


MAD_ANSWERS = {
    "nothing": b"",
    "no HTTP": b"\x16\x03\x01 what is this\r\n\r\n",
    "no JSON": _answer(b"<html>502 Bad Gateway</html>"),
    "truncated": _answer(b'{"id": "pi_1", "amou', length=500),
    "a list": _answer(b"[]"),
    "a number": _answer(b"7"),
    "null": _answer(b"null"),
    "an empty object": _answer(b"{}"),
    "no currency": _answer(b'{"id": "pi_1", "status": "succeeded", "amount_received": 2580}'),
    "an amount of text": _answer(b'{"id":"pi_1","status":"succeeded","amount_received":"2580","currency":"eur"}'),
    "a status from the future": _answer(b'{"id":"pi_1","status":"melted","amount_received":0,"currency":"eur"}'),
    "an error without an object": _answer(b'{"error": null}', "400 Bad Request"),
    "an error of text": _answer(b'{"error": "no"}', "402 Payment Required"),
    "a decline without an intent": _answer(
        b'{"error":{"type":"card_error","code":"card_declined"}}', "402 Payment Required"
    ),
    "a proxy's 502": _answer(b"bad gateway", "502 Bad Gateway"),
    "a redirect": _answer(b"", "302 Found", more=b"Location: http://127.0.0.1:9/\r\n"),
    "deeply nested": _answer(b"[" * 200_000),
    "huge": _answer(b'{"id": "' + b"x" * 3_000_000 + b'"}'),
}


@pytest.fixture
async def mad_provider() -> AsyncIterator[MadProvider]:
    servers: list[asyncio.Server] = []
    gateways: list[PaymentGateway] = []

    async def start(answer: bytes, *, drips: bool = False) -> PaymentGateway:
        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                for piece in [answer[i : i + 1] for i in range(len(answer))] if drips else [answer]:
                    writer.write(piece)
                    await writer.drain()
                    # A drip takes far longer than a call may, though each of its pauses is short.
                    await asyncio.sleep(0.1 if drips else 0)
            except (ConnectionError, asyncio.IncompleteReadError):
                return
            finally:
                writer.close()

        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        settings = {"stripe_api_key": "sk_test_1", "stripe_api_base": f"http://127.0.0.1:{port}"}
        gateways.append(StripeGateway(PaymentSettings.model_validate(settings | {"provider_timeout_seconds": 0.5})))
        return gateways[-1]

    yield start
    for gateway in gateways:
        await gateway.close()
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("answer", MAD_ANSWERS.values(), ids=MAD_ANSWERS.keys())
async def test_an_unreadable_response_leaves_the_outcome_unknown(mad_provider: MadProvider, answer: bytes) -> None:
    gateway = await mad_provider(answer)
    one = attempt()
    with pytest.raises(OutcomeUnknown):
        await gateway.charge(one)
    with pytest.raises(OutcomeUnknown):
        await gateway.find(one)
    with pytest.raises(OutcomeUnknown):
        await gateway.refund(refund_of(one, "pi_1", 2580))


async def test_a_dripping_response_times_out(mad_provider: MadProvider) -> None:
    gateway = await mad_provider(_answer(b'{"id": "pi_1"}'), drips=True)
    before = time.monotonic()
    with pytest.raises(OutcomeUnknown, match=r"within 0\.5 s"):
        await gateway.charge(attempt())
    assert time.monotonic() - before < 2


async def test_a_rate_limit_means_later_and_says_when(mad_provider: MadProvider) -> None:
    body = b'{"error":{"type":"invalid_request_error","code":"rate_limit","message":"slow down"}}'
    gateway = await mad_provider(_answer(body, "429 Too Many Requests", more=b"Retry-After: 7\r\n"))
    with pytest.raises(ProviderUnavailable) as unavailable:
        await gateway.charge(attempt())
    assert unavailable.value.retry_after_seconds == 7
