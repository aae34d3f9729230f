"""What must always hold, asked of the tables in SQL that shares nothing with the product's."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

#: What is wrong -> a query that finds it. Numbers are those of the reliability page.
_ALWAYS = {
    "1: reserved is not the sum of what is held": """
        SELECT sku FROM products p WHERE reserved <> coalesce(
            (SELECT sum(quantity) FROM reservations r WHERE r.sku = p.sku AND r.status = 'held'), 0)""",
    "1: units have appeared or vanished": """
        SELECT sku FROM products p WHERE received <> on_hand + coalesce(
            (SELECT sum(quantity) FROM reservations r WHERE r.sku = p.sku AND r.status = 'committed'), 0)""",
    "2: more than one capture that was not given back": """
        SELECT checkout_id FROM payments WHERE status = 'captured' GROUP BY checkout_id HAVING count(*) > 1""",
    "3: the order is not the sum of its lines": """
        SELECT order_number FROM orders o WHERE total_minor <> (
            SELECT sum(quantity * unit_price_minor) FROM order_lines l WHERE l.order_number = o.order_number)""",
    "4: confirmed without its money or its stock": """
        SELECT order_number FROM orders o WHERE status = 'confirmed' AND (
            (total_minor > 0 AND NOT EXISTS (SELECT FROM payments p WHERE p.checkout_id = o.checkout_id
                AND p.status = 'captured' AND p.captured_minor = o.total_minor AND p.captured_currency = o.currency))
            OR EXISTS (SELECT FROM reservations r WHERE r.checkout_id = o.checkout_id AND r.status <> 'committed'))""",
    "5: more given back than taken": """
        SELECT p.checkout_id FROM payments p JOIN refunds r USING (checkout_id, attempt)
        WHERE r.amount_minor > p.captured_minor""",
    "6: a cart with two live orders": """
        SELECT cart_id FROM orders WHERE cart_id IS NOT NULL AND status <> 'cancelled'
        GROUP BY cart_id HAVING count(*) > 1""",
    "7: a final state was left": """
        SELECT checkout_id FROM audit_log
        WHERE before IN ('confirmed', 'rejected', 'cancelled', 'committed', 'released', 'refunded', 'voided')""",
}
_AT_REST = {
    "9: captured, and neither confirmed nor given back": """
        SELECT checkout_id FROM payments p WHERE status IN ('captured', 'refunding') AND NOT EXISTS (
            SELECT FROM orders o WHERE o.checkout_id = p.checkout_id AND o.status = 'confirmed')""",
    "11: held for nobody": "SELECT checkout_id FROM reservations WHERE status = 'held'",
    "11: an order that still waits": "SELECT checkout_id FROM orders WHERE status = 'pending'",
    "11: a payment of which nobody knows": """
        SELECT checkout_id FROM payments WHERE status IN ('processing', 'unknown', 'pending', 'requires_action')""",
    "11: a checkout that has not ended": """
        SELECT checkout_id FROM checkouts WHERE status NOT IN ('confirmed', 'rejected', 'cancelled')""",
}


async def violations(engine: AsyncEngine, *, at_rest: bool = True) -> list[str]:
    """Everything that is wrong now; with ``at_rest`` also what may be so only while a checkout is under way."""
    found = []
    async with engine.connect() as connection:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        for wrong, query in (_ALWAYS | (_AT_REST if at_rest else {})).items():
            rows = (await connection.execute(text(query))).scalars().all()
            found += [f"{wrong}: {key}" for key in rows]
    return found
