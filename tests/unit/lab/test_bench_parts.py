"""The parts of `checkout bench` that need no stack: figures, counting, load, and the client that must be cheap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from checkout.domain.errors import ConfigurationError
from checkout_lab.bench.load.http import KeptConnection
from checkout_lab.bench.load.loops import closed_count, closed_loop, open_loop
from checkout_lab.bench.load.samples import Sample, cpu_figures, load_figures, percentile
from checkout_lab.bench.log import BenchLog
from checkout_lab.bench.plots import plot
from checkout_lab.cli.bench import read_options


class Counted:
    """A subject that counts how often it is asked, and by how many at once."""

    name = "counted"

    def __init__(self) -> None:
        self.calls = self.now = self.most = self.connected = self.closed = 0

    async def connect(self) -> "Counted":
        self.connected += 1
        return self

    async def __call__(self) -> None:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1

    def close(self) -> None:
        self.closed += 1


class Broken(Counted):
    async def __call__(self) -> None:
        raise OSError("away")


@pytest.mark.parametrize(("percent", "value"), [(50, 5), (90, 9), (99, 10), (100, 10), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: int) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == value


def test_figures_are_medians_over_the_rounds() -> None:
    rounds = [Sample([latency], elapsed_seconds=latency) for latency in (0.1, 0.2, 9.0)]

    assert load_figures(rounds) == {"per_second": 5.0, "p50_ms": 200.0, "p99_ms": 200.0}


def test_cost_is_per_operation_and_a_role_that_cost_nothing_is_left_out() -> None:
    sample = Sample([0.1, 0.1], 0.2, cpu_seconds={"worker": 0.01, "api": 0.004, "baseline": 0.0})

    assert cpu_figures([sample]) == {"worker": 5.0, "api": 2.0, "total": 7.0}


async def test_every_client_of_a_closed_loop_asks_again_after_each_response() -> None:
    subject = Counted()
    sample = await closed_loop(subject, clients=4, seconds=0.05)

    assert len(sample.latencies_seconds) == subject.calls > 4
    assert subject.most == subject.connected == subject.closed == 4


async def test_clients_share_a_number_of_operations() -> None:
    subject = Counted()
    await closed_count(subject, clients=3, operations=10)

    assert subject.calls == 10


async def test_customers_of_an_open_loop_come_whether_or_not_others_were_served() -> None:
    subject = Counted()
    sample = await open_loop(subject, per_second=2000, seconds=0.1, seed=7)

    assert 150 < len(sample.latencies_seconds) < 250
    assert subject.most > 1
    assert subject.connected == subject.closed


async def test_the_first_failure_ends_a_load_and_is_what_is_told() -> None:
    subject = Broken()
    with pytest.raises(OSError, match="away"):
        await closed_loop(subject, clients=2, seconds=60)
    assert subject.closed == 2


def test_statements_are_counted_by_what_they_are_and_transactions_by_their_id() -> None:
    log = BenchLog()
    for line in (
        "3/7 LOG:  statement: BEGIN",
        "3/7 LOG:  execute _pg3_0: SELECT 1",
        "\tFROM continued",
        "3/7 LOG:  statement: COMMIT",
        "4/9 LOG:  execute <unnamed>: UPDATE products SET reserved = 1",
        "4/9 DETAIL:  parameters: $1 = '1'",
    ):
        log.take("postgres", line)

    assert log.counts() == {"sql_statements": 2, "sql_transactions": 2, "sql_round_trips": 4}
    log.forget()
    assert log.counts() == {"sql_statements": 0, "sql_transactions": 0, "sql_round_trips": 0}


def test_a_death_is_remembered_and_errors_of_our_processes_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    log = BenchLog()
    log.announce("worker died (signal 9); restarted as pid 1")
    log.take("temporal", "level=error of the server's own")
    log.take("worker", "INFO polling")
    log.take("worker", "ERROR a bug")

    assert log.deaths == ["worker died (signal 9); restarted as pid 1"]
    assert [line.split("|")[1].strip() for line in capsys.readouterr().err.splitlines()] == ["ERROR a bug"]


@asynccontextmanager
async def server(*responses: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Responds to each request of one connection in turn, then hangs up; its port, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for response in responses:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(response)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], asked


async def test_one_connection_serves_one_request_after_the_other() -> None:
    shed = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\ncontent-length: 2\r\n\r\n{}"
    async with server(shed, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") as (port, asked):
        connection = await KeptConnection.open("127.0.0.1", port)
        first = await connection.request("GET", "/one", {"A": "b"})
        second = await connection.request("GET", "/two", {})
        connection.close()

    assert (first.status, first.body, first.retry_after_seconds) == (503, b"{}", 2)
    assert (second.status, second.body, second.retry_after_seconds) == (200, b"hello", 0)
    assert asked[0] == f"GET /one HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nA: b\r\n\r\n".encode()


async def test_a_connection_that_ends_in_mid_response_is_an_error() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello") as (port, _):
        connection = await KeptConnection.open("127.0.0.1", port)
        with pytest.raises(EOFError):
            await connection.request("GET", "/", {})
        connection.close()


def test_a_plot_names_its_lines_and_axes() -> None:
    text = plot("Title", "load", "ms", {"p50": [(1, 5), (10, 6)], "p99": [(1, 7), (10, 90)]}, decades=True)

    assert all(word in text for word in ("Title", "load", "ms", "p50", "p99"))
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("growth", "points", "complaint"),
    [
        ("speed", None, "--growth: write one of orders, open, lines, workers, memory"),
        ("orders", "1000;5", "--points: write numbers"),
        (None, "1000", "with --growth"),
        ("orders", "1000,10", "each is more than the one before it"),
    ],
)
def test_options_that_mean_nothing_are_refused(growth: str | None, points: str | None, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read_options(rounds=1, seconds=1, workers=1, webhooks=True, growth=growth, points=points)
