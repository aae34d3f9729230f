"""What PostgreSQL refuses, whoever asks: the rules of the tables, tried in plain SQL past all of our code."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from checkout.domain.states import TRANSITIONS

#: A checkout `c` that holds two mugs and waits for EUR 25.80; `p` is its only try, on its way.
PENDING = """
    INSERT INTO products (sku, name, price_minor, currency, on_hand, received) VALUES ('MUG', 'Mug', 1290, 'EUR', 7, 7);
    INSERT INTO checkouts (checkout_id, customer_id, cart_id, currency, status)
        VALUES ('c', 'cus', 'cart', 'EUR', 'processing'), ('d', 'cus', 'cart', 'EUR', 'processing');
    INSERT INTO reservations (checkout_id, sku, quantity, status) VALUES ('c', 'MUG', 2, 'held');
    UPDATE products SET reserved = 2;
    INSERT INTO orders (order_number, checkout_id, customer_id, cart_id, status, currency, total_minor)
        VALUES ('AAAA-AAAA', 'c', 'cus', 'cart', 'pending', 'EUR', 2580);
    INSERT INTO payments (checkout_id, attempt, idempotency_key, payment_method, amount_minor, currency, status)
        VALUES ('c', 1, 'c-1', 'pm', 2580, 'EUR', 'processing');
"""
CAPTURE = (
    "UPDATE payments SET status = 'captured', provider_reference = 'pi', captured_minor = {}, captured_currency = '{}'"
)
TRY = """
    INSERT INTO payments (checkout_id, attempt, idempotency_key, payment_method, amount_minor, currency, status)
    VALUES ('{0}', {1}, '{0}-{1}', 'pm', 2580, 'EUR', 'processing')
"""
SELL = """
    UPDATE reservations SET status = 'committed';
    UPDATE products SET on_hand = on_hand - 2, reserved = 0;
    UPDATE orders SET status = 'confirmed';
    UPDATE checkouts SET status = 'confirmed' WHERE checkout_id = 'c';
"""


async def run(engine: AsyncEngine, *scripts: str) -> None:
    """All statements of the scripts, in one transaction."""
    async with engine.begin() as connection:
        for statement in ";".join(scripts).split(";"):
            if statement.strip():
                await connection.execute(text(statement))


async def test_the_rules_allow_a_whole_sale(engine: AsyncEngine) -> None:
    await run(engine, PENDING, CAPTURE.format(2580, "EUR"), SELL)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("UPDATE products SET reserved = 8", id="more reserved than there is"),
        pytest.param("UPDATE products SET reserved = -1", id="less reserved than nothing"),
        pytest.param("UPDATE products SET on_hand = 8", id="units that were never received"),
        pytest.param("INSERT INTO reservations VALUES ('c', 'NONE', 1, 'held')", id="an unknown article"),
        pytest.param("INSERT INTO reservations VALUES ('c', 'MUG', 1, 'held')", id="the same article twice"),
        pytest.param("UPDATE orders SET total_minor = -1", id="a negative total"),
        pytest.param("UPDATE orders SET currency = 'eur'", id="no currency"),
        pytest.param(
            "INSERT INTO orders VALUES ('BBBB-BBBB', 'c', 'cus', NULL, 'pending', 'EUR', 1)",
            id="two orders of a checkout",
        ),
        pytest.param(
            "INSERT INTO orders VALUES ('BBBB-BBBB', 'd', 'cus', 'cart', 'pending', 'EUR', 1)",
            id="two orders of a cart",
        ),
        pytest.param(
            TRY.format("c", 2),
            id="a second try while the first is open",
        ),
        pytest.param(
            TRY.format("d", 1),
            id="a charge without an order",
        ),
        pytest.param("UPDATE payments SET status = 'captured'", id="a capture that says nothing of what was taken"),
        pytest.param(SELL, id="sold without money"),
        pytest.param(CAPTURE.format(2579, "EUR") + ";" + SELL, id="sold for another amount"),
        pytest.param(CAPTURE.format(2580, "USD") + ";" + SELL, id="sold for another currency"),
        pytest.param(
            CAPTURE.format(2580, "EUR") + ";UPDATE checkouts SET status = 'confirmed' WHERE checkout_id = 'c'",
            id="confirmed with its stock still held",
        ),
        pytest.param("UPDATE orders SET status = 'confirmed'", id="an order confirmed alone"),
        pytest.param("UPDATE orders SET status = 'cancelled'", id="an order cancelled while its payment is open"),
        pytest.param(
            "UPDATE checkouts SET status = 'compensating', reason = 'x' WHERE checkout_id = 'c';"
            "UPDATE checkouts SET status = 'cancelled' WHERE checkout_id = 'c'",
            id="cancelled with its stock still held",
        ),
        pytest.param("UPDATE checkouts SET status = 'compensating'", id="undone for no reason"),
        pytest.param(
            "INSERT INTO payment_events VALUES ('evt', 'refund.created', 'pi', 'c', 'believed', now())",
            id="an event that was dealt with in a way that there is not",
        ),
        pytest.param("DELETE FROM payments", id="a try forgotten"),
        pytest.param("DELETE FROM audit_log", id="the audit log cut"),
        pytest.param("UPDATE audit_log SET actor = 'somebody else'", id="the audit log changed"),
        pytest.param("TRUNCATE audit_log", id="the audit log emptied"),
    ],
)
async def test_the_rules_refuse_a_wrong_state(engine: AsyncEngine, wrong: str) -> None:
    await run(engine, PENDING)
    with pytest.raises(IntegrityError):
        await run(engine, wrong)


@pytest.mark.parametrize("table", sorted(TRANSITIONS))
async def test_the_triggers_allow_what_the_domain_allows(engine: AsyncEngine, table: str) -> None:
    query = text("SELECT tgname, tgargs FROM pg_trigger WHERE tgrelid = CAST(:table AS regclass) AND NOT tgisinternal")
    async with engine.connect() as connection:
        rows = (await connection.execute(query, {"table": table})).all()
    arguments = {row.tgname: bytes(row.tgargs).decode().split("\0")[:-1] for row in rows}
    expected = {f"{before}>{after}" for before, after in TRANSITIONS[table]}
    assert set(arguments[f"{table}_new"]) == set(arguments[f"{table}_transitions"]) == expected


async def test_a_transition_that_is_not_listed_is_refused(engine: AsyncEngine) -> None:
    await run(engine, PENDING, CAPTURE.format(2580, "EUR"), SELL)
    for wrong in ("UPDATE orders SET status = 'pending'", "UPDATE reservations SET status = 'held'"):
        with pytest.raises(DBAPIError, match="is not allowed"):
            await run(engine, wrong)
