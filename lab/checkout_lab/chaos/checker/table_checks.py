"""The checks that need the tables alone. Each is a query whose rows are what is wrong: subject and detail.

The numbers are those of the list of invariants.
"""
# ruff: noqa: S608 - the queries are put together from words of our own

from collections.abc import Iterable
from typing import Final

from checkout_lab.chaos.checker.states import ALLOWED, DEEDS, FINAL


def _array(words: Iterable[str]) -> str:
    """The words as an array of SQL. They are ours, and have no quotes in them."""
    return "ARRAY[" + ", ".join(f"'{word}'" for word in sorted(words)) + "]"


_ALLOWED = _array(f"{entity}:{before}>{after}" for entity, pairs in ALLOWED.items() for before, after in pairs)
_FINAL = _array(f"{entity}:{status}" for entity, statuses in FINAL.items() for status in statuses)
_DEEDS = _array(DEEDS)

#: Every row with a status, under the name and the key that the audit log has for it.
_ROWS = """
    SELECT 'checkout' AS entity, checkout_id, checkout_id AS entity_key, status FROM checkouts
    UNION ALL SELECT 'reservation', checkout_id, sku, status FROM reservations
    UNION ALL SELECT 'order', checkout_id, order_number, status FROM orders
    UNION ALL SELECT 'payment', checkout_id, attempt::text, status FROM payments
    UNION ALL SELECT 'refund', checkout_id, attempt::text, status FROM refunds"""

#: What must hold at any moment, faults or not.
ALWAYS: Final[dict[str, str]] = {
    "1: reserved is what is held": """
        SELECT p.sku, format('%s are reserved, %s are held', p.reserved, coalesce(h.units, 0)) FROM products p
        LEFT JOIN (SELECT sku, sum(quantity) AS units FROM reservations WHERE status = 'held' GROUP BY sku) h
            USING (sku)
        WHERE p.reserved <> coalesce(h.units, 0)""",
    "1: nothing is oversold": """
        SELECT sku, format('%s are reserved of %s', reserved, on_hand) FROM products
        WHERE reserved < 0 OR reserved > on_hand""",
    "1: units neither appear nor vanish": """
        SELECT p.sku, format('%s received, %s on hand, %s sold', p.received, p.on_hand, coalesce(s.units, 0))
        FROM products p
        LEFT JOIN (SELECT sku, sum(quantity) AS units FROM reservations WHERE status = 'committed' GROUP BY sku) s
            USING (sku)
        WHERE p.received <> p.on_hand + coalesce(s.units, 0)""",
    "2: one capture is kept at most": """
        SELECT checkout_id, format('%s attempts are captured', count(*)) FROM payments WHERE status = 'captured'
        GROUP BY checkout_id HAVING count(*) > 1""",
    "3: an order is the sum of its lines": """
        SELECT o.checkout_id, format('total %s, lines %s', o.total_minor, coalesce(l.total, 0)) FROM orders o
        LEFT JOIN (SELECT order_number, sum(quantity * unit_price_minor) AS total FROM order_lines GROUP BY 1) l
            USING (order_number)
        WHERE o.total_minor IS DISTINCT FROM coalesce(l.total, 0)""",
    "3: an order is for what is reserved": """
        SELECT coalesce(l.checkout_id, r.checkout_id),
               format('%s: ordered %s, reserved %s', coalesce(l.sku, r.sku), l.quantity, r.quantity)
        FROM (SELECT o.checkout_id, n.sku, n.quantity FROM orders o JOIN order_lines n USING (order_number)) l
        FULL JOIN (SELECT r.checkout_id, r.sku, r.quantity FROM reservations r JOIN orders o USING (checkout_id)) r
            ON r.checkout_id = l.checkout_id AND r.sku = l.sku
        WHERE l.quantity IS DISTINCT FROM r.quantity""",
    "3: an attempt asks for the order's total": """
        SELECT p.checkout_id, format('attempt %s: %s %s of %s %s', p.attempt, p.amount_minor, p.currency,
                                     o.total_minor, o.currency)
        FROM payments p LEFT JOIN orders o USING (checkout_id)
        WHERE (p.amount_minor, p.currency) IS DISTINCT FROM (o.total_minor, o.currency)""",
    "4: a sale has its money": """
        SELECT o.checkout_id, format('order %s of %s %s', o.order_number, o.total_minor, o.currency) FROM orders o
        WHERE o.status = 'confirmed' AND o.total_minor > 0 AND NOT EXISTS (
            SELECT FROM payments p WHERE p.checkout_id = o.checkout_id AND p.status = 'captured'
            AND p.captured_minor = o.total_minor AND p.captured_currency = o.currency)""",
    "4: a sale has its stock": """
        SELECT o.checkout_id, format('%s of %s reservations are committed',
                                     count(*) FILTER (WHERE r.status = 'committed'), count(r.*))
        FROM orders o LEFT JOIN reservations r USING (checkout_id) WHERE o.status = 'confirmed'
        GROUP BY 1 HAVING count(*) FILTER (WHERE r.status = 'committed') <> greatest(count(r.*), 1)""",
    "4: a sale is one everywhere": """
        SELECT checkout_id, format('checkout %s, order %s', c.status, o.status)
        FROM checkouts c FULL JOIN orders o USING (checkout_id)
        WHERE (c.status = 'confirmed') IS DISTINCT FROM (coalesce(o.status, '') = 'confirmed')""",
    "4: what is not sold is not committed": """
        SELECT r.checkout_id, r.sku FROM reservations r LEFT JOIN orders o USING (checkout_id)
        WHERE r.status = 'committed' AND o.status IS DISTINCT FROM 'confirmed'""",
    "5: no more is given back than was taken": """
        SELECT r.checkout_id, format('given back %s, taken %s', r.minor, coalesce(p.minor, 0))
        FROM (SELECT checkout_id, sum(amount_minor) AS minor FROM refunds WHERE status <> 'failed' GROUP BY 1) r
        LEFT JOIN (SELECT checkout_id, sum(captured_minor) AS minor FROM payments GROUP BY 1) p USING (checkout_id)
        -- What reconciliation gives back was captured after the end, and never was the outcome of an attempt.
        WHERE r.minor > coalesce(p.minor, 0) AND NOT EXISTS (
            SELECT FROM audit_log a WHERE a.checkout_id = r.checkout_id AND a.entity = 'reconciliation')""",
    "6: one key, one attempt": """
        SELECT idempotency_key, format('%s attempts', count(*)) FROM payments GROUP BY 1 HAVING count(*) > 1""",
    "6: one checkout, one order": """
        SELECT checkout_id, format('%s orders', count(*)) FROM orders GROUP BY 1 HAVING count(*) > 1""",
    "6: one cart, one live order": """
        SELECT cart_id, string_agg(checkout_id, ' ') FROM orders
        WHERE cart_id IS NOT NULL AND status IN ('pending', 'confirmed') GROUP BY 1 HAVING count(*) > 1""",
    "7: every transition is allowed": f"""
        SELECT a.checkout_id, format('%s %s: %s > %s', a.entity, a.entity_key, a.before, a.after) FROM audit_log a
        WHERE a.entity <> ALL ({_DEEDS})
          AND format('%s:%s>%s', a.entity, coalesce(a.before, ''), a.after) <> ALL ({_ALLOWED})""",
    "7: nothing leaves a final state": f"""
        SELECT checkout_id, format('%s %s: %s > %s', entity, entity_key, before, after) FROM audit_log
        WHERE format('%s:%s', entity, before) = ANY ({_FINAL})""",
    "7: the log has no gap": f"""
        SELECT checkout_id, format('%s %s: %s, then %s > %s', entity, entity_key, previous, before, after) FROM (
            SELECT *, lag(after) OVER (PARTITION BY checkout_id, entity, entity_key ORDER BY id) AS previous
            FROM audit_log WHERE entity <> ALL ({_DEEDS})) steps
        WHERE before IS DISTINCT FROM previous""",
    "7: the log ends where the row stands": f"""
        SELECT checkout_id,
               format('%s %s is %s, and its last line says %s', entity, entity_key, r.status, a.after)
        FROM ({_ROWS}) r
        FULL JOIN (SELECT DISTINCT ON (checkout_id, entity, entity_key) checkout_id, entity, entity_key, after
                   FROM audit_log WHERE entity <> ALL ({_DEEDS})
                   ORDER BY checkout_id, entity, entity_key, id DESC) a USING (checkout_id, entity, entity_key)
        WHERE a.after IS DISTINCT FROM r.status""",
    "7: every line says who": f"""
        SELECT checkout_id, format('%s %s > %s', entity, before, after) FROM audit_log WHERE actor = ''
           OR reason IS NULL AND (entity = ANY ({_DEEDS})
              OR entity = 'checkout' AND after IN ('compensating', 'rejected', 'cancelled'))""",
    "8: nothing is held after a release": """
        SELECT r.checkout_id, format('%s of %s, checkout %s', r.quantity, r.sku, c.status)
        FROM reservations r LEFT JOIN checkouts c USING (checkout_id)
        WHERE r.status = 'held' AND (c.status IS NULL OR c.status IN ('confirmed', 'rejected', 'cancelled')
           OR EXISTS (SELECT FROM reservations f WHERE f.checkout_id = r.checkout_id AND f.status = 'released'))""",
    "8: nothing is open after the end": """
        SELECT c.checkout_id, format('checkout %s, order %s, attempt %s %s', c.status, o.status, p.attempt, p.status)
        FROM checkouts c LEFT JOIN orders o USING (checkout_id) LEFT JOIN payments p USING (checkout_id)
        WHERE c.status IN ('rejected', 'cancelled')
          AND (o.status <> 'cancelled' OR p.status NOT IN ('declined', 'voided', 'refunded'))""",
}

#: What must hold when nothing is going wrong any more. ``at_work`` are the checkouts whose workflow is open.
EVENTUALLY: Final[dict[str, str]] = {
    "9: money is for a sale or given back": """
        SELECT p.checkout_id, concat('attempt ', p.attempt, ' is ', p.status, ', checkout ', c.status)
        FROM payments p LEFT JOIN checkouts c USING (checkout_id)
        WHERE p.status IN ('captured', 'refunding') AND c.status IS DISTINCT FROM 'confirmed'
          AND p.checkout_id <> ALL (%(at_work)s)""",
    "9: every refund has landed": """
        SELECT checkout_id, concat('attempt ', attempt, ': ', status) FROM refunds
        WHERE status <> 'succeeded' AND checkout_id <> ALL (%(at_work)s)""",
    "11: stock is held for somebody": """
        SELECT checkout_id, concat(quantity, ' of ', sku) FROM reservations
        WHERE status = 'held' AND checkout_id <> ALL (%(at_work)s)""",
    "11: an order waits for somebody": """
        SELECT checkout_id, order_number FROM orders WHERE status = 'pending' AND checkout_id <> ALL (%(at_work)s)""",
    "11: a payment is found out by somebody": """
        SELECT checkout_id, concat('attempt ', attempt, ' is ', status) FROM payments
        WHERE status IN ('processing', 'unknown', 'pending', 'requires_action')
          AND checkout_id <> ALL (%(at_work)s)""",
    "11: a checkout is worked on": """
        SELECT checkout_id, status FROM checkouts
        WHERE status NOT IN ('confirmed', 'rejected', 'cancelled') AND checkout_id <> ALL (%(at_work)s)""",
}
