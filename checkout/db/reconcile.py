"""Statements that compare the tables with each other and with the provider's ledger, a page at a time."""

from sqlalchemy import text

#: Checkouts that have not ended, whatever their age. The newest are left out: they are on their way.
UNDER_WAY = text("""
    SELECT checkout_id, status FROM checkouts
    WHERE status NOT IN ('confirmed', 'rejected', 'cancelled') AND checkout_id > :after
      AND updated_at <= now() - make_interval(secs => :grace_seconds)
    ORDER BY checkout_id LIMIT :limit
""")

#: One snapshot for the shelf and for all that was taken from it. What has not moved in the window was compared before.
STOCK = text("""
    WITH page AS MATERIALIZED (
        SELECT sku, on_hand, reserved, received FROM products
        WHERE sku > :after AND (reserved > 0 OR updated_at >= CAST(:since AS timestamptz))
        ORDER BY sku LIMIT :limit
    ), sums AS (
        SELECT r.sku, sum(r.quantity) FILTER (WHERE r.status = 'held') AS held,
               sum(r.quantity) FILTER (WHERE r.status = 'committed') AS committed
        FROM page JOIN reservations r USING (sku) WHERE r.status IN ('held', 'committed')
        GROUP BY r.sku
    )
    SELECT page.*, coalesce(held, 0) AS held, coalesce(committed, 0) AS committed
    FROM page LEFT JOIN sums USING (sku) ORDER BY sku
""")

#: Ended checkouts in the order of their endings, and whether stock, order and payment tell of the same ending.
ENDED = text("""
    WITH page AS MATERIALIZED (
        SELECT checkout_id, status, updated_at FROM checkouts
        WHERE status IN ('confirmed', 'rejected', 'cancelled')
          AND (updated_at, checkout_id) > (CAST(:after_at AS timestamptz), :after_id)
          AND updated_at <= CAST(:until AS timestamptz)
        ORDER BY updated_at, checkout_id LIMIT :limit
    )
    SELECT page.checkout_id, page.status, page.updated_at, o.total_minor, lines.total_minor AS lines_total_minor,
           page.status = 'confirmed' AND (
               o.status IS DISTINCT FROM 'confirmed'
               OR EXISTS (SELECT FROM reservations r WHERE r.checkout_id = page.checkout_id AND r.status <> 'committed')
               OR o.total_minor > 0 AND NOT EXISTS (
                   SELECT FROM payments p WHERE p.checkout_id = page.checkout_id AND p.status = 'captured'
                   AND p.captured_minor = o.total_minor AND p.captured_currency = o.currency)
           ) AS is_confirmed_in_part,
           page.status <> 'confirmed' AND (
               o.status <> 'cancelled'
               OR EXISTS (SELECT FROM reservations r WHERE r.checkout_id = page.checkout_id AND r.status <> 'released')
               OR EXISTS (SELECT FROM payments p WHERE p.checkout_id = page.checkout_id
                          AND p.status NOT IN ('declined', 'voided', 'refunded'))
           ) AS is_undone_in_part
    FROM page LEFT JOIN orders o USING (checkout_id)
    LEFT JOIN LATERAL (SELECT coalesce(sum(l.quantity * l.unit_price_minor), 0) AS total_minor FROM order_lines l
                       WHERE l.order_number = o.order_number) lines ON true
    ORDER BY page.updated_at, page.checkout_id
""")

#: Events that came before their checkout was known; what they hint at is compared with the ledger in the same run.
MATCH_EVENTS = text("""
    UPDATE payment_events e SET status = 'applied'
    WHERE e.status = 'unmatched' AND (
        EXISTS (SELECT FROM checkouts c WHERE c.checkout_id = e.checkout_id)
        OR EXISTS (SELECT FROM payments p WHERE p.provider_reference = e.provider_reference))
    RETURNING e.event_id
""")

#: What the tables say of each intent, in the order asked: how its checkout stands, which capture it counts on, whether
#: an attempt is known to have made the intent, and the mark of what this deployment makes.
INTENTS = text("""
    SELECT c.status, (SELECT d.mark FROM deployment d) AS deployment,
           EXISTS (SELECT FROM payments p WHERE p.provider_reference = w.provider_reference
                   OR p.checkout_id = w.checkout_id AND p.deployment IS NULL) AS is_recorded,
           kept.provider_reference AS kept_reference, kept.captured_minor, kept.captured_currency,
           EXISTS (SELECT FROM payments p JOIN refunds r USING (checkout_id, attempt)
                   WHERE p.checkout_id = w.checkout_id AND p.provider_reference = w.provider_reference
                   AND r.status <> 'succeeded') AS refund_is_unfinished
    FROM unnest(CAST(:checkout_ids AS text[]), CAST(:references AS text[]))
         WITH ORDINALITY AS w (checkout_id, provider_reference, place)
    LEFT JOIN checkouts c USING (checkout_id)
    LEFT JOIN payments kept ON kept.checkout_id = c.checkout_id AND kept.status = 'captured'
    ORDER BY w.place
""")

#: Captures that sales count on, of the time of a part of the ledger that does not show them.
UNSEEN_CAPTURES = text("""
    SELECT p.checkout_id, p.provider_reference FROM payments p JOIN checkouts c USING (checkout_id)
    WHERE p.status = 'captured' AND c.status = 'confirmed'
      AND p.created_at >= to_timestamp(:created_from) AND p.created_at < to_timestamp(:created_to) + interval '1 second'
      AND p.provider_reference <> ALL (CAST(:seen AS text[]))
    ORDER BY p.created_at LIMIT :limit
""")

#: Committed before the money is given back. There is a refund to write where the tables know the attempt.
START_GIVING_BACK = text("""
    WITH mine AS (
        SELECT checkout_id, attempt FROM payments
        WHERE checkout_id = :checkout_id
          AND (provider_reference = :provider_reference OR provider_reference IS NULL AND attempt = :attempt)
        ORDER BY attempt DESC LIMIT 1
    ), noted AS (
        INSERT INTO refunds AS r (checkout_id, attempt, idempotency_key, amount_minor, currency, status, reason, actor)
        SELECT checkout_id, attempt, :idempotency_key, :amount_minor, :currency, 'pending', :reason, :actor FROM mine
        -- One that had succeeded did not last: the bank has reported it as failed since.
        ON CONFLICT (checkout_id, attempt) DO UPDATE SET status = 'failed', actor = excluded.actor,
            reason = excluded.reason WHERE r.status = 'succeeded'
    )
    INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor, reason)
    VALUES (:checkout_id, 'reconciliation', :provider_reference, 'captured', 'refunding', :actor, :reason)
""")

RECORD_GIVEN_BACK = text("""
    WITH mine AS (
        SELECT checkout_id, attempt FROM payments
        WHERE checkout_id = :checkout_id
          AND (provider_reference = :provider_reference OR provider_reference IS NULL AND attempt = :attempt)
        ORDER BY attempt DESC LIMIT 1
    ), told AS (
        UPDATE refunds r SET status = :status, provider_reference = :refund_reference, updated_at = now() FROM mine
        WHERE r.checkout_id = mine.checkout_id AND r.attempt = mine.attempt AND r.status <> 'succeeded'
    )
    INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor, reason)
    VALUES (:checkout_id, 'reconciliation', :provider_reference, 'refunding', :status, :actor, :reason)
""")
