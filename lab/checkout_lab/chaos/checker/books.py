"""What the checker reads: the tables in one snapshot, and after them the provider's ledger.

The order matters. What the product does at the provider it has committed to the tables before, and what it learns it
commits afterwards; so a charge may be in the ledger and not yet in the tables, and never the reverse.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import class_row

#: A server in trouble must not hold up the checker, which comes back a moment later.
_CONNECT_TIMEOUT_SECONDS = 3
_STATEMENT_TIMEOUT = "20s"
_LEDGER_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, order=True)
class Violation:
    """One thing that is wrong: which check says so, of what (an id), and what exactly."""

    check: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.detail}"


@dataclass(frozen=True)
class CheckoutRow:
    """A row of `checkouts`, with its order's number and total (minor units) where there is one."""

    checkout_id: str
    status: str
    reason: str | None
    currency: str | None
    order_number: str | None
    order_status: str | None
    total_minor: int | None


@dataclass(frozen=True)
class AttemptRow:
    """A row of `payments`. Amounts are minor units."""

    checkout_id: str
    attempt: int
    status: str
    payment_method: str
    provider_reference: str | None
    amount_minor: int
    currency: str
    captured_minor: int | None
    captured_currency: str | None


@dataclass(frozen=True)
class LineRow:
    """A line of an order; the price is that of one unit, in minor units."""

    checkout_id: str
    sku: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True)
class RefundRow:
    """A row of `refunds`."""

    checkout_id: str
    attempt: int
    status: str
    provider_reference: str | None
    amount_minor: int


@dataclass(frozen=True)
class ReconciliationRow:
    """Money that reconciliation gave back: the checkout and the provider's reference of the payment."""

    checkout_id: str
    provider_reference: str


@dataclass(frozen=True)
class ShelfRow:
    """An article: the units of it that are here or sold, and what one costs."""

    sku: str
    units: int
    price_minor: int


@dataclass(frozen=True)
class Tables:
    """The rows of one snapshot."""

    checkouts: Mapping[str, CheckoutRow]
    attempts: list[AttemptRow]
    lines: list[LineRow]
    refunds: list[RefundRow]
    given_back: list[ReconciliationRow]
    shelves: list[ShelfRow]


_CHECKOUTS = """
    SELECT checkout_id, c.status, c.reason, coalesce(o.currency, c.currency) AS currency,
           o.order_number, o.status AS order_status, o.total_minor
    FROM checkouts c LEFT JOIN orders o USING (checkout_id)"""
_ATTEMPTS = """
    SELECT checkout_id, attempt, status, payment_method, provider_reference, amount_minor, currency,
           captured_minor, captured_currency
    FROM payments ORDER BY checkout_id, attempt"""
_LINES = """
    SELECT o.checkout_id, l.sku, l.quantity, l.unit_price_minor FROM order_lines l JOIN orders o USING (order_number)"""
_REFUNDS = "SELECT checkout_id, attempt, status, provider_reference, amount_minor FROM refunds"
_GIVEN_BACK = """
    SELECT DISTINCT checkout_id, entity_key AS provider_reference FROM audit_log WHERE entity = 'reconciliation'"""
_SHELVES = """
    SELECT p.sku, p.on_hand + coalesce(sum(r.quantity), 0)::bigint AS units, p.price_minor
    FROM products p LEFT JOIN reservations r ON r.sku = p.sku AND r.status = 'committed'
    GROUP BY p.sku, p.on_hand, p.price_minor"""


@asynccontextmanager
async def snapshot(database_url: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection all of whose reads see one moment.

    Raises:
        psycopg.OperationalError: PostgreSQL is away.
    """
    connection = await AsyncConnection.connect(
        database_url,
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        application_name="checker",
        options=f"-c statement_timeout={_STATEMENT_TIMEOUT}",
    )
    async with connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        yield connection


async def read_tables(connection: AsyncConnection[Any]) -> Tables:
    """Every row that is compared with something outside of PostgreSQL."""

    async def rows(kind: type[Any], query: str) -> list[Any]:
        async with connection.cursor(row_factory=class_row(kind)) as cursor:
            # The queries are the constants above.
            return await (await cursor.execute(query.encode())).fetchall()

    return Tables(
        checkouts={row.checkout_id: row for row in await rows(CheckoutRow, _CHECKOUTS)},
        attempts=await rows(AttemptRow, _ATTEMPTS),
        lines=await rows(LineRow, _LINES),
        refunds=await rows(RefundRow, _REFUNDS),
        given_back=await rows(ReconciliationRow, _GIVEN_BACK),
        shelves=await rows(ShelfRow, _SHELVES),
    )


@dataclass(frozen=True)
class Intent:
    """A PaymentIntent with what was taken and given back of it, in the provider's units.

    Those are ISO's minor units for the currencies with two decimals, which are the only ones that the load buys in.
    """

    reference: str
    checkout_id: str
    attempt: str
    status: str
    payment_method: str | None
    currency: str
    taken: int
    returned: int

    @property
    def kept(self) -> int:
        """What the shop has of it now."""
        return self.taken - self.returned


@dataclass(frozen=True)
class LedgerSnapshot:
    """The provider's books. ``by_checkout`` has those intents alone that name a checkout."""

    intents: Mapping[str, Intent] = field(default_factory=dict)
    #: The provider's id of a refund -> the intent that it belongs to.
    refunds: Mapping[str, str] = field(default_factory=dict)
    by_checkout: Mapping[str, list[Intent]] = field(default_factory=dict)


async def read_ledger(sandbox_url: str) -> LedgerSnapshot:
    """The ledger as it is now.

    Raises:
        httpx.HTTPError: the provider is away.
    """
    async with httpx.AsyncClient(trust_env=False, timeout=_LEDGER_TIMEOUT_SECONDS) as client:
        response = (await client.get(f"{sandbox_url}/sandbox/ledger")).raise_for_status()
    return parse_ledger(response.json())


def parse_ledger(books: Mapping[str, Any]) -> LedgerSnapshot:
    """The ledger of ``{"intents": […], "refunds": […]}``; a refund that failed gave nothing back."""
    returned: dict[str, int] = defaultdict(int)
    for refund in books["refunds"]:
        if refund["status"] not in ("failed", "canceled"):
            returned[refund["payment_intent"]] += refund["amount"]
    intents = [_intent(one, returned[one["id"]]) for one in books["intents"]]
    return LedgerSnapshot(
        intents={one.reference: one for one in intents},
        refunds={refund["id"]: refund["payment_intent"] for refund in books["refunds"]},
        by_checkout=_grouped(one for one in intents if one.checkout_id),
    )


def _intent(one: Mapping[str, Any], returned: int) -> Intent:
    return Intent(
        reference=one["id"],
        checkout_id=one["metadata"].get("checkout_id", ""),
        attempt=one["metadata"].get("attempt", ""),
        status=one["status"],
        payment_method=one["payment_method"],
        currency=one["currency"].upper(),
        taken=one["amount_received"],
        returned=returned,
    )


def _grouped(intents: Iterable[Intent]) -> dict[str, list[Intent]]:
    groups: dict[str, list[Intent]] = defaultdict(list)
    for one in intents:
        groups[one.checkout_id].append(one)
    return dict(groups)
