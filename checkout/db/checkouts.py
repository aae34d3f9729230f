"""Statements on the checkout's own row: the lock of everything a checkout has, and its tombstone."""

from sqlalchemy import text

#: First statement of every undo. It locks the row (or leaves a tombstone where there is none, so that a late do is
#: refused) and has it undone if it may still be bought; the statements after it see all that the do had committed.
START_COMPENSATING = text("""
    INSERT INTO checkouts AS c (checkout_id, status, reason, actor)
    VALUES (:checkout_id, 'compensating', :reason, :actor)
    ON CONFLICT (checkout_id) DO UPDATE
    SET status = excluded.status, reason = excluded.reason, actor = excluded.actor
    WHERE c.status IN ('processing', 'awaiting_payment', 'payment_stuck')
""")

#: Last statement of the last undo.
CLOSE = text("""
    UPDATE checkouts SET status = :ending, reason = :reason, actor = :actor
    WHERE checkout_id = :checkout_id AND status IN ('compensating', 'compensation_stuck')
""")

#: Only ever along an allowed transition: a change that comes late finds the checkout further on, and does nothing. What
#: is being undone keeps the reason why.
CHANGE_STATUS = text("""
    UPDATE checkouts SET status = :status, actor = :actor,
           reason = CASE WHEN status = 'compensating' THEN coalesce(:reason, reason) ELSE :reason END
    WHERE checkout_id = :checkout_id AND status = ANY (CAST(:from_statuses AS text[]))
""")

RECORD_ACTION = text("""
    INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor, reason)
    VALUES (:checkout_id, 'staff', :action, :before, :after, :actor, :reason)
""")

STATUS = text("SELECT status, reason FROM checkouts WHERE checkout_id = :checkout_id")

#: Everything that is left of an ended checkout.
RECORDED = text("""
    SELECT c.status, c.reason, o.order_number, o.total_minor,
           (SELECT jsonb_agg(jsonb_build_object('sku', l.sku, 'name', l.name, 'quantity', l.quantity,
                                                'unit_price_minor', l.unit_price_minor) ORDER BY l.sku)
            FROM order_lines l WHERE l.order_number = o.order_number) AS lines,
           p.status AS payment_status, coalesce(p.attempt, 0) AS attempts, p.decline_code
    FROM checkouts c
    LEFT JOIN orders o USING (checkout_id)
    LEFT JOIN LATERAL (SELECT * FROM payments WHERE checkout_id = c.checkout_id ORDER BY attempt DESC LIMIT 1) p ON true
    WHERE c.checkout_id = :checkout_id
""")
