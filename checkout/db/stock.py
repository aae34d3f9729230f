"""Statements that hold stock and give it back."""

from sqlalchemy import text

#: All lines or none, in one statement, which is one transaction.
#: `locked` takes the rows in the order of their SKUs, so that two carts can never wait for each other, and reads them
#: as they are once the lock is had. The checkout's row is inserted only where there is none yet: a second run, or a run
#: that comes after its undo, inserts nothing, and so changes nothing, and answers no row.
#: `counted` writes what `locked` has read: PostgreSQL checks constraints on the row as it was when the statement began,
#: before it notices that the row has changed since, and old numbers may look oversold when the present ones are not.
RESERVE = text("""
    WITH wanted AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:skus AS text[]), CAST(:quantities AS bigint[])) AS w (sku, quantity)
    ), locked AS MATERIALIZED (
        SELECT p.sku, p.currency, p.on_hand, p.received, p.reserved, p.on_hand - p.reserved AS available
        FROM products p WHERE p.sku = ANY (CAST(:skus AS text[]))
        ORDER BY p.sku FOR NO KEY UPDATE
    ), faults AS MATERIALIZED (
        SELECT w.sku, CASE WHEN l.sku IS NULL THEN 'unknown_sku'
                           WHEN l.currency <> :currency THEN 'currency_mismatch'
                           WHEN l.available < w.quantity THEN 'out_of_stock' END AS refusal
        FROM wanted w LEFT JOIN locked l USING (sku)
    ), verdict AS MATERIALIZED (
        SELECT refusal, sku FROM faults WHERE refusal IS NOT NULL
        ORDER BY array_position(ARRAY['unknown_sku', 'currency_mismatch', 'out_of_stock'], refusal), sku LIMIT 1
    ), opened AS (
        INSERT INTO checkouts (checkout_id, customer_id, cart_id, currency, status, reason)
        SELECT :checkout_id, :customer_id, :cart_id, :currency,
               CASE WHEN EXISTS (SELECT FROM verdict) THEN 'rejected' ELSE 'processing' END,
               (SELECT refusal FROM verdict)
        ON CONFLICT (checkout_id) DO NOTHING
        RETURNING checkout_id, status
    ), held AS (
        INSERT INTO reservations (checkout_id, sku, quantity, status)
        SELECT o.checkout_id, w.sku, w.quantity, 'held' FROM opened o, wanted w WHERE o.status = 'processing'
        RETURNING sku, quantity
    ), counted AS (
        UPDATE products p
        SET on_hand = l.on_hand, received = l.received, reserved = l.reserved + h.quantity, updated_at = now()
        FROM held h JOIN locked l USING (sku) WHERE p.sku = h.sku
    )
    SELECT o.status, v.refusal, v.sku FROM opened o LEFT JOIN verdict v ON true
""")

#: After `checkouts.START_COMPENSATING`, in the same transaction.
RELEASE = text("""
    WITH freed AS (
        UPDATE reservations SET status = 'released', reason = :reason, actor = :actor
        WHERE checkout_id = :checkout_id AND status = 'held'
        RETURNING sku, quantity
    ), locked AS MATERIALIZED (
        SELECT p.sku FROM products p WHERE p.sku IN (SELECT sku FROM freed)
        ORDER BY p.sku FOR NO KEY UPDATE
    )
    UPDATE products p SET reserved = p.reserved - f.quantity, updated_at = now()
    FROM freed f JOIN locked l USING (sku) WHERE p.sku = f.sku
""")
