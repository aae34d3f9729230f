"""Bodies that come slowly or never end, over real sockets: they are given up, and keep nobody else out."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from stripe import WebhookSignature
from temporalio.client import Client

from api.http import bodies
from tests.support.api_process import STOREFRONT_KEY, SUPPORT_KEY, Storefront, open_storefront

EVENTS = "/v1/webhooks/stripe"
CHECKOUT = "chk_aaaaaaaaaaaaaaaaaaaaaaaaaa"
#: Every route that reads a body, and whose key it wants.
ROUTES = {
    EVENTS: None,
    "/v1/checkouts": STOREFRONT_KEY,
    f"/v1/checkouts/{CHECKOUT}/payment": STOREFRONT_KEY,
    f"/v1/checkouts/{CHECKOUT}/cancel": STOREFRONT_KEY,
    f"/v1/support/checkouts/{CHECKOUT}/retry-payment": SUPPORT_KEY,
    f"/v1/support/checkouts/{CHECKOUT}/resolve-payment": SUPPORT_KEY,
    f"/v1/support/checkouts/{CHECKOUT}/cancel": SUPPORT_KEY,
}


@dataclass
class Sender:
    """A connection on which a request has begun."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the response, on a connection that is closed behind it."""
        head, _, content = (await self.reader.read()).partition(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        return (
            int(status.split()[1]),
            {name.lower(): value for name, value in (h.split(": ") for h in headers)},
            content,
        )

    async def must_be_given_up(self) -> None:
        """Fails unless it is told that it took too long."""
        status, headers, content = await self.response()
        assert (status, headers["content-type"], headers["connection"]) == (408, "application/problem+json", "close")
        assert json.loads(content)["code"] == "request_timeout"


@asynccontextmanager
async def sending(
    storefront: Storefront, path: str = EVENTS, sent: bytes = b"{", whole: int = 500, headers: str = ""
) -> AsyncIterator[Sender]:
    """A request of which this much of the body is sent."""
    key = ROUTES[path]
    credentials = f"Authorization: Bearer {key}\r\nIdempotency-Key: k\r\n" if key else ""
    url = storefront.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n{credentials}{headers}"
    writer.write(f"{head}Content-Length: {whole}\r\n\r\n".encode() + sent)
    await writer.drain()
    try:
        yield Sender(reader, writer)
    finally:
        writer.close()


def genuine(name: str = "evt_1") -> tuple[bytes, str]:
    """An event's body, and the header that shows that it is the provider's."""
    event = {"id": name, "object": "event", "type": "payment_intent.succeeded", "created": 1763890200}
    raw = json.dumps(event | {"data": {"object": {"id": "pi_1"}}})
    signature = WebhookSignature.generate_signature_header(raw, "whsec_0123456789", int(time.time()))
    return raw.encode(), f"Stripe-Signature: {signature}\r\n"


async def accepted(storefront: Storefront, name: str = "evt_1") -> None:
    """A genuine event comes and is taken."""
    raw, signature = genuine(name)
    headers = {"Stripe-Signature": signature.split(": ")[1].strip(), "Content-Type": "application/json"}
    response = await storefront.client.post(EVENTS, content=raw, headers=headers)
    assert (response.status_code, response.json()) == (200, {"status": "accepted"})


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little time that a test can wait for its end."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.5)


@pytest.mark.parametrize("path", ROUTES)
async def test_a_body_without_an_end_must_be_given_up_and_its_connection_closed(
    temporal_client: Client, hasty: None, path: str
) -> None:
    async with open_storefront(temporal_client) as storefront, sending(storefront, path) as sender:
        await sender.must_be_given_up()


async def test_the_time_is_for_the_whole_body_and_not_for_each_piece(temporal_client: Client, hasty: None) -> None:
    async with open_storefront(temporal_client) as storefront, sending(storefront) as sender:
        response = asyncio.create_task(sender.must_be_given_up())
        while not (await asyncio.wait({response}, timeout=0.05))[0]:
            sender.writer.write(b" ")
        # Who goes on sending into a connection that is closed is reset, and may not see the response for that
        # (https://www.rfc-editor.org/rfc/rfc9112#section-9.6).
        with contextlib.suppress(ConnectionResetError):
            await response


async def test_what_comes_in_pieces_and_in_time_is_taken(temporal_client: Client) -> None:
    raw, signature = genuine()
    headers = f"{signature}Connection: close\r\n"
    async with (
        open_storefront(temporal_client) as storefront,
        sending(storefront, sent=raw[:10], whole=len(raw), headers=headers) as sender,
    ):
        # The API has read the beginning: it responses who comes later.
        assert (await storefront.client.get("/healthz")).status_code == 200
        sender.writer.write(raw[10:])
        status, _, content = await sender.response()
    assert (status, json.loads(content)) == (200, {"status": "accepted"})


async def test_half_sent_bodies_keep_no_genuine_event_out(temporal_client: Client) -> None:
    """Nobody's time is up; when there is no place to read in, those give way who have taken longest."""
    async with open_storefront(temporal_client, api_max_requests=5) as storefront, AsyncExitStack() as open_ones:
        slow = [await open_ones.enter_async_context(sending(storefront)) for _ in range(20)]
        responses = {asyncio.create_task(sender.must_be_given_up()) for sender in slow}
        reading = await _those_left(responses, 5)
        await accepted(storefront)
        reading = await _those_left(reading, 4)
        await accepted(storefront, "evt_2")
        assert not any(response.done() for response in reading)
        for response in reading:
            response.cancel()


async def _those_left(responses: set[asyncio.Task[None]], count: int) -> set[asyncio.Task[None]]:
    """Wait until all but so many have been given up."""
    while len(responses) > count:
        done, responses = await asyncio.wait(responses, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*done)
    return responses


async def test_a_slow_body_without_a_key_occupies_no_place(temporal_client: Client) -> None:
    async with open_storefront(temporal_client, api_max_requests=1) as storefront:
        url = storefront.client.base_url
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"POST /v1/checkouts HTTP/1.1\r\nHost: shop\r\nContent-Length: 500\r\n\r\n{")
        await writer.drain()
        assert (await storefront.buy()).status_code == 202
        writer.close()
