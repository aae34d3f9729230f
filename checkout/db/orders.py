"""Statements that write an order, confirm it and cancel it."""

from sqlalchemy import text

#: Prices are the catalogue's at this moment. Answers no row when the checkout is not open (any more); a row without an
#: order number says why in `refusal`, or, with none, that another order stood in the way (`EXISTING` tells which).
CREATE = text("""
    WITH me AS MATERIALIZED (
        SELECT checkout_id, customer_id, cart_id, currency FROM checkouts
        WHERE checkout_id = :checkout_id AND status = 'processing' FOR NO KEY UPDATE
    ), priced AS MATERIALIZED (
        SELECT r.sku, p.name, r.quantity, p.price_minor, p.currency
        FROM me JOIN reservations r USING (checkout_id) JOIN products p USING (sku) WHERE r.status = 'held'
    ), total AS MATERIALIZED (
        SELECT coalesce(sum(quantity::numeric * price_minor), 0) AS total_minor FROM priced
    ), verdict AS MATERIALIZED (
        SELECT me.*, total_minor,
               CASE WHEN EXISTS (SELECT FROM priced WHERE currency <> me.currency) THEN 'currency_mismatch'
                    WHEN total_minor > :max_total_minor THEN 'total_too_large'
                    WHEN total_minor <> CAST(:expected_total_minor AS bigint) THEN 'price_changed' END AS refusal
        FROM me, total
    ), written AS (
        INSERT INTO orders (order_number, checkout_id, customer_id, cart_id, status, currency, total_minor)
        SELECT :order_number, checkout_id, customer_id, cart_id, 'pending', currency, total_minor::bigint
        FROM verdict WHERE refusal IS NULL
        ON CONFLICT DO NOTHING
        RETURNING order_number, total_minor
    ), lines AS (
        INSERT INTO order_lines (order_number, sku, name, quantity, unit_price_minor)
        SELECT order_number, sku, name, quantity, price_minor FROM written, priced
        RETURNING sku, name, quantity, unit_price_minor
    )
    SELECT v.refusal, w.order_number, w.total_minor,
           (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.sku) FROM lines l) AS lines
    FROM verdict v LEFT JOIN written w ON true
""")

#: The checkout's own order if there is one; and whether its cart has a live order of another checkout.
EXISTING = text("""
    SELECT o.order_number, o.total_minor, o.status,
           (SELECT jsonb_agg(jsonb_build_object('sku', l.sku, 'name', l.name, 'quantity', l.quantity,
                                                'unit_price_minor', l.unit_price_minor) ORDER BY l.sku)
            FROM order_lines l WHERE l.order_number = o.order_number) AS lines,
           EXISTS (SELECT FROM orders other WHERE other.cart_id = c.cart_id AND other.status <> 'cancelled'
                   AND other.checkout_id <> c.checkout_id) AS cart_is_ordered
    FROM checkouts c LEFT JOIN orders o USING (checkout_id)
    WHERE c.checkout_id = :checkout_id
""")

#: After `stock.LOCK_MINE`: the order, the stock and the checkout end together. A deferred trigger refuses the commit
#: unless the payment fits.
CONFIRM = text("""
    WITH me AS (
        UPDATE checkouts SET status = 'confirmed', reason = NULL, actor = 'workflow'
        WHERE checkout_id = :checkout_id AND status IN ('processing', 'awaiting_payment', 'payment_stuck')
        RETURNING checkout_id
    ), sold AS (
        UPDATE reservations r SET status = 'committed' FROM me
        WHERE r.checkout_id = me.checkout_id AND r.status = 'held'
        RETURNING r.sku, r.quantity
    ), taken AS (
        UPDATE products p SET on_hand = p.on_hand - s.quantity, reserved = p.reserved - s.quantity, updated_at = now()
        FROM sold s WHERE p.sku = s.sku
    ), confirmed AS (
        UPDATE orders o SET status = 'confirmed' FROM me
        WHERE o.checkout_id = me.checkout_id AND o.status = 'pending'
    )
    SELECT checkout_id FROM me
""")

#: After `checkouts.START_COMPENSATING`, in the same transaction.
CANCEL = text("""
    UPDATE orders SET status = 'cancelled', reason = :reason, actor = :actor
    WHERE checkout_id = :checkout_id AND status = 'pending'
""")
