"""The checker is proven: of every check, a database that breaks it is reported by its name, and a right one is not."""

from collections.abc import Mapping

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from checkout_lab.chaos.checker import table_checks
from checkout_lab.chaos.checker.books import read_tables, snapshot
from checkout_lab.chaos.checker.checker import lost_events, table_violations
from checkout_lab.chaos.checker.promise_checks import shelf_violations
from checkout_lab.chaos.checker.secrets import Scanner, scan_tables

#: A sale `s`; `u`, which was undone after it was paid; `w`, which is under way. Made as the rules of the tables allow.
RIGHT = """
    INSERT INTO products (sku, name, price_minor, currency, on_hand, received)
        VALUES ('MUG', 'Mug', 1290, 'EUR', 9, 9), ('PEN', 'Pen', 199, 'EUR', 5, 5);
    INSERT INTO checkouts (checkout_id, customer_id, cart_id, currency, status)
        SELECT id, 'cus', 'cart-' || id, 'EUR', 'processing' FROM unnest('{s,u,w}'::text[]) id;
    INSERT INTO reservations (checkout_id, sku, quantity, status) SELECT checkout_id, 'MUG', 2, 'held' FROM checkouts;
    UPDATE products SET reserved = 6 WHERE sku = 'MUG';
    INSERT INTO orders (order_number, checkout_id, customer_id, cart_id, status, currency, total_minor)
        SELECT repeat(upper(replace(checkout_id, 'u', 'v')), 4) || '-0000', checkout_id, 'cus', cart_id, 'pending',
               'EUR', 2580 FROM checkouts;
    INSERT INTO order_lines SELECT order_number, 'MUG', 'Mug', 2, 1290 FROM orders;
    INSERT INTO payments (checkout_id, attempt, idempotency_key, payment_method, amount_minor, currency, status)
        SELECT checkout_id, 1, checkout_id || '-1', 'pm_card_visa', 2580, 'EUR', 'processing' FROM orders;
    UPDATE payments SET status = 'captured', provider_reference = 'pi_' || checkout_id, captured_minor = 2580,
        captured_currency = 'EUR' WHERE checkout_id IN ('s', 'u');
    UPDATE reservations SET status = 'committed' WHERE checkout_id = 's';
    UPDATE products SET on_hand = 7, reserved = 4 WHERE sku = 'MUG';
    UPDATE orders SET status = 'confirmed' WHERE checkout_id = 's';
    UPDATE checkouts SET status = 'confirmed' WHERE checkout_id = 's';
    UPDATE checkouts SET status = 'compensating', reason = 'cancelled_by_customer' WHERE checkout_id = 'u';
    UPDATE payments SET status = 'refunding' WHERE checkout_id = 'u';
    INSERT INTO refunds (checkout_id, attempt, idempotency_key, amount_minor, currency, status)
        VALUES ('u', 1, 'u-1-refund', 2580, 'EUR', 'pending');
    UPDATE refunds SET status = 'succeeded', provider_reference = 're_u';
    UPDATE payments SET status = 'refunded' WHERE checkout_id = 'u';
    UPDATE orders SET status = 'cancelled' WHERE checkout_id = 'u';
    UPDATE reservations SET status = 'released' WHERE checkout_id = 'u';
    UPDATE products SET reserved = 2 WHERE sku = 'MUG';
    UPDATE checkouts SET status = 'cancelled' WHERE checkout_id = 'u'
"""

#: The check -> what breaks it, and nothing before it.
ALWAYS: Mapping[str, str] = {
    "1: reserved is what is held": "UPDATE products SET reserved = 3 WHERE sku = 'MUG'",
    "1: nothing is oversold": """
        ALTER TABLE products DROP CONSTRAINT stock_is_never_oversold; UPDATE products SET on_hand = 1""",
    "1: units neither appear nor vanish": "UPDATE products SET received = 10 WHERE sku = 'MUG'",
    "2: one capture is kept at most": """
        DROP INDEX one_live_payment_per_checkout;
        INSERT INTO payments SELECT 's', 2, 's-2', payment_method, 'pi_2', provider_charge, amount_minor, currency,
            captured_minor, captured_currency, status FROM payments WHERE checkout_id = 's'""",
    "3: an order is the sum of its lines": "UPDATE orders SET total_minor = 2579 WHERE checkout_id = 'w'",
    "3: an order is for what is reserved": "UPDATE order_lines SET quantity = 1, unit_price_minor = 2580",
    "3: an attempt asks for the order's total": "UPDATE payments SET amount_minor = 1 WHERE checkout_id = 'w'",
    "4: a sale has its money": "UPDATE payments SET captured_minor = 2579 WHERE checkout_id = 's'",
    "4: a sale has its stock": "DELETE FROM reservations WHERE checkout_id = 's'",
    "4: a sale is one everywhere": "UPDATE checkouts SET status = 'processing' WHERE checkout_id = 's'",
    "4: what is not sold is not committed": "UPDATE reservations SET status = 'committed' WHERE checkout_id = 'w'",
    "5: no more is given back than was taken": "UPDATE refunds SET amount_minor = 2581",
    "6: one key, one attempt": """
        ALTER TABLE payments DROP CONSTRAINT payments_idempotency_key_key;
        UPDATE payments SET idempotency_key = 's-1'""",
    "6: one checkout, one order": """
        ALTER TABLE payments DROP CONSTRAINT payments_checkout_id_fkey;
        ALTER TABLE orders DROP CONSTRAINT orders_checkout_id_key;
        INSERT INTO orders (order_number, checkout_id, customer_id, status, currency, total_minor)
            VALUES ('0000-0000', 's', 'cus', 'confirmed', 'EUR', 2580)""",
    "6: one cart, one live order": """
        DROP INDEX one_live_order_per_cart; UPDATE orders SET cart_id = 'cart-s'""",
    "7: every transition is allowed": """
        INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor)
            VALUES ('w', 'checkout', 'w', 'processing', 'rejected', 'workflow')""",
    "7: nothing leaves a final state": """
        INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor)
            VALUES ('s', 'order', 'SSSS-0000', 'confirmed', 'cancelled', 'workflow')""",
    "7: the log has no gap": "DELETE FROM audit_log WHERE checkout_id = 's' AND after = 'pending'",
    "7: the log ends where the row stands": "UPDATE checkouts SET status = 'payment_stuck' WHERE checkout_id = 'w'",
    "7: every line says who": "UPDATE audit_log SET actor = '' WHERE checkout_id = 'w'",
    "8: nothing is held after a release": "UPDATE reservations SET status = 'held' WHERE checkout_id = 'u'",
    "8: nothing is open after the end": "UPDATE orders SET status = 'pending' WHERE checkout_id = 'u'",
}
EVENTUALLY: Mapping[str, str] = {
    "9: money is for a sale or given back": "UPDATE payments SET status = 'refunding' WHERE checkout_id = 'u'",
    "9: every refund has landed": "UPDATE refunds SET status = 'pending'",
    "11: stock is held for somebody": "",
    "11: an order waits for somebody": "",
    "11: a payment is found out by somebody": "",
    "11: a checkout is worked on": "",
}


async def plant(engine: AsyncEngine, script: str, *, past_the_rules: bool) -> None:
    """Run all statements of the script in one transaction, with or without the tables' triggers."""
    async with engine.begin() as connection:
        if past_the_rules:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in filter(str.strip, script.split(";")):
            await connection.execute(text(statement))


def url_of(engine: AsyncEngine) -> str:
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


async def found(engine: AsyncEngine, resting: frozenset[str] | None = None) -> set[str]:
    async with snapshot(url_of(engine)) as connection:
        return {violation.check for violation in await table_violations(connection, resting)}


@pytest.fixture
async def right(engine: AsyncEngine) -> AsyncEngine:
    """A database in which everything is as it should be, and one checkout is under way."""
    await plant(engine, RIGHT, past_the_rules=False)
    return engine


async def test_what_is_right_is_not_reported(right: AsyncEngine) -> None:
    assert await found(right) == set()
    assert await found(right, resting=frozenset({"w"})) == set()


async def test_a_taken_event_that_the_inbox_does_not_have_is_reported(right: AsyncEngine) -> None:
    columns, values = "event_id, type, provider_reference, status, created_at", "'evt_1', 'a', 'pi_s', 'applied', now()"
    await plant(right, f"INSERT INTO payment_events ({columns}) VALUES ({values})", past_the_rules=False)
    async with snapshot(url_of(right)) as connection:
        assert [lost.subject for lost in await lost_events(connection, {"evt_1", "evt_2"})] == ["evt_2"]
        assert await lost_events(connection, ()) == []


@pytest.mark.parametrize("check", table_checks.ALWAYS)
async def test_what_may_never_be_is_reported_by_its_name(right: AsyncEngine, check: str) -> None:
    await plant(right, ALWAYS[check], past_the_rules=True)
    assert check in await found(right)


@pytest.mark.parametrize("check", table_checks.EVENTUALLY)
async def test_what_may_not_last_is_reported_when_nobody_works_on_it(right: AsyncEngine, check: str) -> None:
    await plant(right, EVENTUALLY[check], past_the_rules=True)
    assert check not in await found(right)
    assert check in await found(right, resting=frozenset())


async def test_units_and_prices_are_those_that_the_campaign_set(right: AsyncEngine) -> None:
    async with snapshot(url_of(right)) as connection:
        tables = await read_tables(connection)
    assert shelf_violations(tables, {"MUG": 9, "PEN": 5}, {"MUG": 1290, "PEN": 199}) == []
    (gone,) = shelf_violations(tables, {"MUG": 10}, {})
    assert (gone.check, gone.subject) == ("1: what was put on the shelves is there or sold", "MUG")
    assert {wrong.check for wrong in shelf_violations(tables, {}, {"MUG": 1300})} == {
        "3: a line costs what the catalogue says"
    }


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE checkouts SET customer_id = '4242424242424242'", "table checkouts"),
        ("UPDATE audit_log SET reason = 'paid with 5555 5555 5555 4444, he says'", "table audit_log"),
        ("UPDATE payments SET reason = 'key sk_test_of_ours'", "table payments"),
    ],
)
async def test_no_table_may_hold_a_card_number_or_a_secret(right: AsyncEngine, statement: str, place: str) -> None:
    scanner = Scanner({"provider's key": "sk_test_of_ours"})
    async with snapshot(url_of(right)) as connection:
        assert await scan_tables(connection, scanner) == []
    await plant(right, statement, past_the_rules=True)
    async with snapshot(url_of(right)) as connection:
        assert {wrong.subject for wrong in await scan_tables(connection, scanner)} == {place}
