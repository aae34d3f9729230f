"""Orders of the past, written straight into the tables: as many as a shop has after years, in a minute.

Every constraint and every trigger would have let them in; they are only not asked, row by row. What the shelves say of
them agrees as well, so that the books can be compared afterwards.
"""

from typing import Final, LiteralString

from checkout_lab.bench.environment.database import ARTICLES, BenchDatabase

_CHUNK: Final = 50_000

#: The past orders from `first` to `last`: spread over two years that ended a week ago, one line each, all confirmed.
#: An order number is the order's own number in a scrambled order, as the real ones come in none.
_PAST: LiteralString = """
    CREATE TEMPORARY TABLE past ON COMMIT DROP AS
    SELECT 'chk_' || left(translate(md5('past' || n), '0189', 'wxyz'), 26) AS checkout_id,
           overlay(lpad(upper(to_hex(n * 2654435761 %% 4294967296)), 8, '0') PLACING '-' FROM 5 FOR 0) AS order_number,
           'past-' || n %% 100000 AS customer_id,
           'BENCH-' || lpad((n %% %(articles)s)::text, 4, '0') AS sku,
           now() - interval '7 days' - (n * 7919 %% 1000003) / 1000003.0 * interval '730 days' AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""

_WRITE: tuple[LiteralString, ...] = (
    """INSERT INTO checkouts (checkout_id, status, customer_id, currency, created_at, updated_at)
       SELECT checkout_id, 'confirmed', customer_id, 'EUR', at, at FROM past""",
    """INSERT INTO reservations (checkout_id, sku, quantity, status, created_at, updated_at)
       SELECT checkout_id, sku, 1, 'committed', at, at FROM past""",
    """INSERT INTO orders (order_number, checkout_id, customer_id, status, currency, total_minor, created_at,
                           updated_at)
       SELECT order_number, checkout_id, customer_id, 'confirmed', 'EUR', 1290, at, at FROM past""",
    """INSERT INTO order_lines (order_number, sku, name, quantity, unit_price_minor)
       SELECT order_number, sku, 'Article ' || sku, 1, 1290 FROM past""",
    """INSERT INTO payments (checkout_id, attempt, idempotency_key, payment_method, provider_reference, provider_charge,
                             amount_minor, currency, captured_minor, captured_currency, status, created_at, updated_at)
       SELECT checkout_id, 1, checkout_id || '-1', 'pm_card_visa', 'pi_' || checkout_id, 'ch_' || checkout_id,
              1290, 'EUR', 1290, 'EUR', 'captured', at, at FROM past""",
    """INSERT INTO payment_events (event_id, type, provider_reference, checkout_id, status, created_at, received_at)
       SELECT 'evt_' || checkout_id, 'payment_intent.succeeded', 'pi_' || checkout_id, checkout_id, 'applied', at, at
       FROM past""",
    """INSERT INTO audit_log (at, checkout_id, entity, entity_key, before, after, actor)
       SELECT at, checkout_id, step.entity, coalesce(step.key, CASE step.entity WHEN 'checkout' THEN checkout_id
              WHEN 'order' THEN order_number ELSE sku END), step.before, step.after, 'workflow'
       FROM past CROSS JOIN (VALUES
           ('checkout', NULL, NULL, 'processing'), ('reservation', NULL, NULL, 'held'),
           ('order', NULL, NULL, 'pending'), ('payment', '1', NULL, 'processing'),
           ('payment', '1', 'processing', 'captured'),
           ('checkout', NULL, 'processing', 'confirmed'), ('reservation', NULL, 'held', 'committed'),
           ('order', NULL, 'pending', 'confirmed')) AS step (entity, key, before, after)""",
    """UPDATE products SET on_hand = on_hand - sold.units
       FROM (SELECT sku, count(*) AS units FROM past GROUP BY sku) AS sold WHERE products.sku = sold.sku""",
)


async def write_past_orders(database: BenchDatabase, so_far: int, wanted: int) -> None:
    """Have the tables hold ``wanted`` past orders, of which ``so_far`` are there, and the planner know of them."""
    for first in range(so_far + 1, wanted + 1, _CHUNK):
        parameters = {"first": first, "last": min(first + _CHUNK - 1, wanted), "articles": ARTICLES}
        async with database.without_triggers() as connection:
            await connection.execute(_PAST, parameters)
            for statement in _WRITE:
                await connection.execute(statement)
    await database.run("VACUUM ANALYZE")
    await database.run("CHECKPOINT")
