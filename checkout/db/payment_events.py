"""Statements on the inbox of the provider's events."""

from sqlalchemy import text

#: The checkout is the one that the event names, if it is there, or the one whose intent it is. An event without one
#: stays `unmatched` until an attempt of its checkout hears from the provider. A second delivery changes nothing.
#: `is_known`: the event tells of a capture that a confirmed order was paid with; there is nothing left to look for.
RECORD = text("""
    WITH mine AS MATERIALIZED (
        SELECT c.checkout_id FROM checkouts c WHERE c.checkout_id = CAST(:checkout_id AS text)
        UNION
        SELECT p.checkout_id FROM payments p WHERE p.provider_reference = :provider_reference
        LIMIT 1
    ), received AS (
        INSERT INTO payment_events (event_id, type, provider_reference, checkout_id, status, created_at)
        SELECT :event_id, :type, :provider_reference,
               coalesce((SELECT checkout_id FROM mine), CAST(:checkout_id AS text)),
               CASE WHEN EXISTS (SELECT FROM mine) THEN 'applied' ELSE 'unmatched' END, :created_at
        ON CONFLICT (event_id) DO NOTHING
    )
    SELECT m.checkout_id,
           :type = 'payment_intent.succeeded' AND EXISTS (
               SELECT FROM checkouts c JOIN payments p USING (checkout_id)
               WHERE c.checkout_id = m.checkout_id AND c.status = 'confirmed'
                 AND p.provider_reference = :provider_reference AND p.status = 'captured') AS is_known
    FROM mine m
""")
