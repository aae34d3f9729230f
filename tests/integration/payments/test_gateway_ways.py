"""By which way the gateway's calls leave: directly, through a proxy that the environment names, or not at all."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from checkout.config.settings import PaymentSettings
from checkout.domain.errors import ConfigurationError, ProviderUnavailable
from checkout.domain.states import PaymentStatus
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.attempts import attempt

INTENT = {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount_received": 2580, "currency": "eur"}
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass
class Listener:
    """Answers every request with a captured payment, and keeps their first lines."""

    port: int
    first_lines: list[str]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    first_lines: list[str] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first_lines.append(head.decode(errors="replace").splitlines()[0])
        body = json.dumps(INTENT).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        yield Listener(server.sockets[0].getsockname()[1], first_lines)


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@asynccontextmanager
async def gateway_to(base: str) -> AsyncIterator[PaymentGateway]:
    settings = {
        "stripe_api_key": "sk_test_1",
        "stripe_api_base": base,
        "provider_timeout_seconds": 5,
        "payment_return_url": "https://shop.example/paid",
    }
    gateway = StripeGateway(PaymentSettings.model_validate(settings))
    yield gateway
    await gateway.close()


@pytest.mark.parametrize("scheme", ["http://", ""])
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_used(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    monkeypatch.setenv(variable, f"{scheme}127.0.0.1:{listener.port}")
    async with gateway_to("http://provider.example") as gateway:
        assert (await gateway.charge(attempt())).status is PaymentStatus.CAPTURED
    assert listener.first_lines == ["POST http://provider.example/v1/payment_intents HTTP/1.1"]


@pytest.mark.parametrize("proxy", ["socks5://user:secret@127.0.0.1:9", "http://"])
async def test_a_proxy_that_cannot_be_used_is_told_at_once(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConfigurationError, match=r"HTTPS_PROXY, or NO_PROXY=provider\.example") as refused:
        async with gateway_to("https://provider.example"):
            pass
    assert "secret" not in str(refused.value)


async def test_through_tls_a_proxy_is_asked_for_a_tunnel(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.port}")
    async with gateway_to("https://provider.example") as gateway:
        # What is at the tunnel's other end speaks no TLS, so nothing was sent.
        with pytest.raises(ProviderUnavailable):
            await gateway.charge(attempt())
    assert listener.first_lines == ["CONNECT provider.example:443 HTTP/1.1"]


async def test_no_proxy_stands_between_us_and_this_machine(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, dead_port: int
) -> None:
    monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{dead_port}")
    for host in ("127.0.0.1", "localhost"):
        async with gateway_to(f"http://{host}:{listener.port}") as gateway:
            assert (await gateway.charge(attempt())).status is PaymentStatus.CAPTURED
    assert listener.first_lines == ["POST /v1/payment_intents HTTP/1.1"] * 2


async def test_what_the_environment_excepts_goes_directly(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listener.port}")
    monkeypatch.setenv("no_proxy", "provider.invalid")
    async with gateway_to("http://provider.invalid") as gateway:
        with pytest.raises(ProviderUnavailable, match="DNS"):
            await gateway.charge(attempt())
    assert listener.first_lines == []


async def test_through_a_dead_proxy_nothing_was_sent(monkeypatch: pytest.MonkeyPatch, dead_port: int) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead_port}")
    async with gateway_to("http://provider.example") as gateway:
        with pytest.raises(ProviderUnavailable):
            await gateway.charge(attempt())


async def test_where_nobody_speaks_tls_nothing_was_sent(listener: Listener) -> None:
    async with gateway_to(f"https://127.0.0.1:{listener.port}") as gateway:
        with pytest.raises(ProviderUnavailable):
            await gateway.charge(attempt())
