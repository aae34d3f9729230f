"""Orders and their lines: written, confirmed, cancelled."""

from typing import Any

from sqlalchemy import Row, text

from checkout.db import checkouts, stock
from checkout.db.session import Database
from checkout.domain.messages import CreateOrder, OrderResult, PricedLine, Undo
from checkout.domain.money import MAX_AMOUNT_MINOR
from checkout.domain.states import OrderStatus, Reason

#: Prices are the catalogue's at this moment. Returns no row when the checkout is not open (any more). A row without an
#: order number says why in `refusal`; with neither, another order stood in the way (`_EXISTING` tells which).
_CREATE = text("""
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
_EXISTING = text(f"""
    SELECT o.order_number, o.total_minor, o.status,
           {checkouts.ORDER_LINES} AS lines,
           EXISTS (SELECT FROM orders other WHERE other.cart_id = c.cart_id AND other.status <> 'cancelled'
                   AND other.checkout_id <> c.checkout_id) AS cart_is_ordered
    FROM checkouts c LEFT JOIN orders o USING (checkout_id)
    WHERE c.checkout_id = :checkout_id
""")  # noqa: S608 - put together from constants

#: After `stock.LOCK_HELD`: the order, the stock and the checkout end together. A deferred trigger refuses the commit
#: unless the payment fits.
_CONFIRM = text("""
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

#: After `checkouts.lock_for_undo`, in the same transaction.
_CANCEL = text("""
    UPDATE orders SET status = 'cancelled', reason = :reason, actor = :actor
    WHERE checkout_id = :checkout_id AND status = 'pending'
""")


async def create(database: Database, request: CreateOrder, order_number: str) -> OrderResult | None:
    """Write the order, or return why not; None where another order stood in the way, or the checkout is not open."""
    parameters = {**vars(request), "order_number": order_number, "max_total_minor": MAX_AMOUNT_MINOR}
    row = await database.one(_CREATE, parameters)
    if row is None:
        return None
    if row.order_number:
        return _result(row)
    return OrderResult(refusal=Reason(row.refusal)) if row.refusal else None


async def existing(database: Database, checkout_id: str) -> OrderResult | None:
    """The order that the checkout has, or that its cart is ordered by another checkout; None if neither is so."""
    row = await database.one(_EXISTING, {"checkout_id": checkout_id})
    if row and row.order_number and row.status != OrderStatus.CANCELLED:
        return _result(row)
    return OrderResult(refusal=Reason.CART_ALREADY_ORDERED) if row and row.cart_is_ordered else None


async def confirm(database: Database, checkout_id: str) -> bool:
    """Confirm the order and sell what is held; returns False where the checkout is not open (any more).

    Raises:
        InvariantBroken: the payment does not fit to the cent.
    """
    return bool(await database.locked(stock.LOCK_HELD, _CONFIRM, {"checkout_id": checkout_id}))


async def cancel(database: Database, undo: Undo) -> None:
    """Cancel the order if there is one.

    Raises:
        InvariantBroken: the checkout is confirmed, and stays so.
    """
    async with database.transaction() as connection:
        await connection.execute(_CANCEL, await checkouts.lock_for_undo(connection, undo))


def _result(row: Row[Any]) -> OrderResult:
    lines = tuple(PricedLine(**line) for line in row.lines)
    return OrderResult(order_number=row.order_number, total_minor=row.total_minor, lines=lines)
