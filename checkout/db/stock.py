"""Stock: held for a checkout, and given back."""

from sqlalchemy import text

from checkout.db import checkouts
from checkout.db.session import Database
from checkout.domain.messages import EndedCheckout, ReservationResult, ReserveStock, Undo
from checkout.domain.states import Reason

#: First, in a statement of its own, the articles are locked in the order of their SKUs, so that two carts can never
#: wait for each other. Only the next statement's snapshot is sure to see what those before us left: one that locks and
#: writes at once would write on old row versions, queue for them behind others, and deadlock all the same.
_LOCK = text("""
    SELECT sku FROM products WHERE sku = ANY (CAST(:skus AS text[])) ORDER BY sku FOR NO KEY UPDATE
""")

#: The same for what a checkout holds, behind the checkout's own row.
LOCK_HELD = text("""
    WITH me AS MATERIALIZED (SELECT checkout_id FROM checkouts WHERE checkout_id = :checkout_id FOR NO KEY UPDATE)
    SELECT p.sku FROM me JOIN reservations r USING (checkout_id) JOIN products p USING (sku)
    WHERE r.status = 'held' ORDER BY p.sku FOR NO KEY UPDATE OF p
""")

#: After `_LOCK`: all lines or none, in one conditional statement. The checkout's row is inserted only where there is
#: none yet: a second run, or one that comes after its undo, inserts nothing, so changes nothing, and returns no row.
_RESERVE = text("""
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

#: After `checkouts.lock_for_undo` and `LOCK_HELD`, in the same transaction.
_RELEASE = text("""
    WITH freed AS (
        UPDATE reservations SET status = 'released', reason = :reason, actor = :actor
        WHERE checkout_id = :checkout_id AND status = 'held'
        RETURNING sku, quantity
    )
    UPDATE products p SET reserved = p.reserved - f.quantity, updated_at = now()
    FROM freed f WHERE p.sku = f.sku
""")


async def reserve(database: Database, request: ReserveStock) -> ReservationResult | None:
    """Hold every line, or return which one cannot be held; None where the checkout is there already."""
    parameters = {
        "checkout_id": request.checkout_id,
        "customer_id": request.customer_id,
        "cart_id": request.cart_id,
        "currency": request.currency,
        "skus": [line.sku for line in request.lines],
        "quantities": [line.quantity for line in request.lines],
    }
    row = await database.locked(_LOCK, _RESERVE, parameters)
    if row is None:
        return None
    return ReservationResult(refusal=Reason(row.refusal), sku=row.sku) if row.refusal else ReservationResult()


async def release(database: Database, undo: Undo) -> EndedCheckout:
    """Give back whatever the checkout holds, and close it; returns how it ended.

    Raises:
        InvariantBroken: the checkout is confirmed, and stays so.
    """
    async with database.transaction() as connection:
        parameters = await checkouts.lock_for_undo(connection, undo)
        await connection.execute(LOCK_HELD, parameters)
        await connection.execute(_RELEASE, parameters)
        return await checkouts.close(connection, undo)
