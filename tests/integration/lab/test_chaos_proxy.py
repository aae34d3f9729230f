"""The proxy does to real connections what each fault needs, and mends them all when it is healed."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from checkout.config.settings import DatabaseSettings
from checkout.db.session import Database, create_engine
from checkout.domain.errors import DatabaseUnavailable
from checkout_lab.chaos.proxy.connection import LinkConditions
from checkout_lab.chaos.proxy.http import Corruption, HttpTap, ResponseCorrupter
from checkout_lab.chaos.proxy.postgres import CommitTrap, Moment, PostgresTap
from checkout_lab.chaos.proxy.proxy import Proxy
from checkout_lab.chaos.proxy.taps import NoTap, Taps
from checkout_lab.stack.processes.ports import HOST
from tests.support.stock import Stock

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
FreePort = Callable[[], int]
MakeProxy = Callable[..., Awaitable[Proxy]]
HELLO = b"hello, proxy\n"


@pytest.fixture
async def proxy_to(free_port: FreePort) -> AsyncIterator[MakeProxy]:
    """Makes proxies to a port, which are gone after the test."""
    proxies: list[Proxy] = []

    async def make(target_port: int, taps: Taps = NoTap) -> Proxy:
        proxy = Proxy("link", free_port(), target_port, random.Random(1), taps)
        await proxy.__aenter__()
        proxies.append(proxy)
        return proxy

    yield make
    for proxy in proxies:
        await proxy.__aexit__(None, None, None)


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that says what it hears."""

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        except ConnectionResetError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(repeat, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def link(echo: int, proxy_to: MakeProxy) -> Proxy:
    """A proxy before the echo."""
    return await proxy_to(echo)


@pytest.fixture
async def caller(link: Proxy) -> AsyncIterator[Streams]:
    """A connection through the proxy that has been used already."""
    reader, writer = await asyncio.open_connection(HOST, link.port)
    assert await ask(reader, writer) == HELLO
    yield reader, writer
    writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes = HELLO) -> bytes:
    writer.write(data)
    return await reader.readexactly(len(data))


async def ask_anew(link: Proxy) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, link.port)
    try:
        return await ask(reader, writer)
    finally:
        writer.close()


async def silent_for_a_while(reader: asyncio.StreamReader) -> bool:
    reading = asyncio.ensure_future(reader.read(1))
    done, _ = await asyncio.wait([reading], timeout=0.2)
    reading.cancel()
    await asyncio.wait([reading])
    return not done


async def test_a_slow_link_is_late_and_loses_nothing(link: Proxy, caller: Streams) -> None:
    link.change(LinkConditions(latency_seconds=0.1, jitter_seconds=0.05))
    before = time.monotonic()

    assert await ask(*caller) == HELLO
    assert time.monotonic() - before >= 0.2


async def test_a_slicing_link_delivers_everything_in_pieces(link: Proxy, caller: Streams) -> None:
    link.change(LinkConditions(slice_bytes=3))
    reader, writer = caller
    writer.write(HELLO * 20)
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < len(HELLO) * 20:
        pieces.append(await reader.read(1000))

    assert b"".join(pieces) == HELLO * 20
    assert len(pieces) > 1


async def test_a_cut_link_closes_and_refuses_until_it_is_healed(link: Proxy, caller: Streams) -> None:
    await link.cut()

    assert await caller[0].read() == b""
    with pytest.raises(ConnectionRefusedError):
        await ask_anew(link)
    await link.heal()
    assert await ask_anew(link) == HELLO


async def test_a_reset_link_breaks_what_is_open_and_takes_what_comes(link: Proxy, caller: Streams) -> None:
    link.reset()

    with pytest.raises(ConnectionResetError):
        await caller[0].read()
    assert await ask_anew(link) == HELLO


async def test_a_black_hole_says_nothing_and_ends_when_it_is_healed(link: Proxy, caller: Streams) -> None:
    link.change(LinkConditions(loses_requests=True, loses_responses=True))
    caller[1].write(HELLO)

    assert await silent_for_a_while(caller[0])
    await link.heal()
    with pytest.raises(ConnectionResetError):
        await caller[0].read()
    assert await ask_anew(link) == HELLO


async def test_a_request_arrives_although_its_response_is_lost(proxy_to: MakeProxy) -> None:
    heard = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(len(HELLO)))
        heard.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, HOST, 0) as server:
        link = await proxy_to(server.sockets[0].getsockname()[1])
        link.change(LinkConditions(loses_responses=True))
        reader, writer = await asyncio.open_connection(HOST, link.port)
        writer.write(HELLO)
        await heard.wait()
        assert await silent_for_a_while(reader)
        link.change(LinkConditions())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_stalled_link_delivers_late(link: Proxy, caller: Streams) -> None:
    link.change(LinkConditions(stalls=True))
    caller[1].write(HELLO)

    assert await silent_for_a_while(caller[0])
    await link.heal()
    assert await caller[0].readexactly(len(HELLO)) == HELLO


async def test_a_client_whose_server_is_away_is_reset(free_port: FreePort, proxy_to: MakeProxy) -> None:
    link = await proxy_to(free_port())
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await ask_anew(link)


@pytest.fixture
async def corrupted_shop(proxy_to: MakeProxy) -> AsyncIterator[tuple[ResponseCorrupter, httpx.AsyncClient, list[str]]]:
    """A provider behind a proxy that may go mad, a client of it, and the requests that reached it."""
    carried_out: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(10_000):
            carried_out.append(head.decode().partition("\r\n")[0])
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"id":"pi1"}')
        writer.close()

    corrupter = ResponseCorrupter(random.Random(1))
    async with await asyncio.start_server(serve, HOST, 0) as server:
        link = await proxy_to(server.sockets[0].getsockname()[1], lambda: HttpTap(corrupter))
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{link.port}", trust_env=False) as client:
            assert (await client.get("/")).json() == {"id": "pi1"}
            carried_out.clear()
            yield corrupter, client, carried_out
            corrupter.stop()
            assert (await client.get("/")).json() == {"id": "pi1"}


CorruptedShop = tuple[ResponseCorrupter, httpx.AsyncClient, list[str]]


async def test_too_many_requests_are_refused_and_never_carried_out(corrupted_shop: CorruptedShop) -> None:
    corrupter, client, carried_out = corrupted_shop
    corrupter.start(Corruption.RATE_LIMITED)
    response = await client.post("/v1/payment_intents", content=b"amount=1")

    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert carried_out == []


async def test_a_corrupt_response_hides_what_was_carried_out(corrupted_shop: CorruptedShop) -> None:
    corrupter, client, carried_out = corrupted_shop
    corrupter.start(Corruption.MALFORMED)
    with pytest.raises(ValueError, match="Unterminated string"):
        (await client.post("/")).json()
    corrupter.start(Corruption.WRONG_CONTENT)
    assert (await client.post("/")).text.startswith("<html>")
    corrupter.start(Corruption.TRUNCATED)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/")
    corrupter.start(Corruption.HUGE)
    assert len((await client.post("/")).content) > 1024 * 1024

    assert carried_out == ["POST / HTTP/1.1"] * 4


async def test_a_rate_spares_some_responses(corrupted_shop: CorruptedShop) -> None:
    corrupter, client, _ = corrupted_shop
    corrupter.start(Corruption.RATE_LIMITED, rate=0.5)

    assert {(await client.get("/")).status_code for _ in range(30)} == {200, 429}


@pytest.fixture
def trap() -> CommitTrap:
    return CommitTrap()


@pytest.fixture
async def through_trap(
    database: DatabaseSettings, engine: AsyncEngine, trap: CommitTrap, proxy_to: MakeProxy
) -> AsyncIterator[Database]:
    """The product's way to the test's database, through two proxies: one that slices, and one with the trap."""
    slicing = await proxy_to(engine.url.port)
    slicing.change(LinkConditions(slice_bytes=7))
    link = await proxy_to(slicing.port, lambda: PostgresTap(trap))
    outer = await proxy_to(link.port)
    outer.change(LinkConditions(slice_bytes=7))
    url = engine.url.set(port=outer.port).render_as_string(hide_password=False)
    trapped = create_engine(DatabaseSettings(url=SecretStr(url)))
    yield Database(trapped)
    await trapped.dispose()


SELL = text("UPDATE products SET on_hand = on_hand - 1, received = received - 1 WHERE sku = :sku")
COUNT = text("SELECT on_hand FROM products WHERE sku = :sku")
MUG = {"sku": "MUG"}


async def sell_in_a_statement(database: Database) -> None:
    await database.run(SELL, MUG)


async def sell_in_a_transaction(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("SELECT sku FROM products WHERE sku = :sku FOR UPDATE"), MUG)
        await connection.execute(SELL, MUG)


Sell = Callable[[Database], Awaitable[None]]


@pytest.mark.parametrize("sell", [sell_in_a_statement, sell_in_a_transaction])
@pytest.mark.parametrize(("moment", "left"), [(Moment.BEFORE, 0), (Moment.AFTER, -1)])
async def test_a_connection_is_cut_on_either_side_of_a_commit(
    through_trap: Database, trap: CommitTrap, stock: Stock, engine: AsyncEngine, sell: Sell, moment: Moment, left: int
) -> None:
    await stock({"MUG": (1290, "EUR", 100)})
    sprung: list[bool] = []
    # From the sixth time on, psycopg sends the name of a prepared statement and no SQL.
    for spare in (0, 9):
        before = await _on_hand(Database(engine))
        trap.arm(moment, spare, lambda: sprung.append(True))
        for _ in range(spare):
            await sell(through_trap)
        with pytest.raises(DatabaseUnavailable):
            await sell(through_trap)
        assert await _on_hand(Database(engine)) == before - spare + left
    assert sprung == [True, True]
    await sell(through_trap)


async def test_reading_springs_no_trap(through_trap: Database, trap: CommitTrap, stock: Stock) -> None:
    await stock({"MUG": (1290, "EUR", 100)})
    trap.arm(Moment.BEFORE)
    async with through_trap.transaction() as connection:
        await connection.execute(COUNT, MUG)
    for _ in range(8):
        assert await _on_hand(through_trap) == 100
    assert trap.is_armed

    trap.disarm()
    await sell_in_a_statement(through_trap)


async def _on_hand(database: Database) -> int:
    row = await database.one(COUNT, MUG)
    assert row
    return int(row.on_hand)
