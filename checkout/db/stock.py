"""Statements that hold stock and give it back."""

from sqlalchemy import text

#: First, in a statement of its own, the articles are locked in the order of their SKUs, so that two carts can never
#: wait for each other. Only the next statement's snapshot is sure to see what those before us left: one that locks and
#: writes at once would write on old row versions, queue for them behind others, and deadlock all the same.
LOCK = text("""
    SELECT sku FROM products WHERE sku = ANY (CAST(:skus AS text[])) ORDER BY sku FOR NO KEY UPDATE
""")

#: The same for what a checkout has, behind the checkout's own row.
LOCK_MINE = text("""
    WITH me AS MATERIALIZED (SELECT checkout_id FROM checkouts WHERE checkout_id = :checkout_id FOR NO KEY UPDATE)
    SELECT p.sku FROM me JOIN reservations r USING (checkout_id) JOIN products p USING (sku)
    WHERE r.status = 'held' ORDER BY p.sku FOR NO KEY UPDATE OF p
""")

#: After `LOCK`: all lines or none, in one conditional statement. The checkout's row is inserted only where there is
#: none yet: a second run, or one that comes after its undo, inserts nothing, so changes nothing, and answers no row.
RESERVE = text("""
    WITH wanted AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:skus AS text[]), CAST(:quantities AS bigint[])) AS w (sku, quantity)
    ), faults AS MATERIALIZED (
        SELECT w.sku, CASE WHEN p.sku IS NULL THEN 'unknown_sku'
                           WHEN p.currency <> :currency THEN 'currency_mismatch'
                           WHEN p.on_hand - p.reserved < w.quantity THEN 'out_of_stock' END AS refusal
        FROM wanted w LEFT JOIN products p USING (sku)
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
        UPDATE products p SET reserved = p.reserved + h.quantity, updated_at = now()
        FROM held h WHERE p.sku = h.sku
    )
    SELECT o.status, v.refusal, v.sku FROM opened o LEFT JOIN verdict v ON true
""")

#: After `checkouts.START_COMPENSATING` and `LOCK_MINE`, in the same transaction.
RELEASE = text("""
    WITH freed AS (
        UPDATE reservations SET status = 'released', reason = :reason, actor = :actor
        WHERE checkout_id = :checkout_id AND status = 'held'
        RETURNING sku, quantity
    )
    UPDATE products p SET reserved = p.reserved - f.quantity, updated_at = now()
    FROM freed f WHERE p.sku = f.sku
""")
