"""Statements on the inbox of the provider's events."""

from sqlalchemy import text

#: The checkout of each is the one that the event names, if it is there, or the one whose intent it is. An event without
#: one stays `unmatched` until an attempt of its checkout hears from the provider. A second delivery changes nothing.
#: One of another mode or account is `foreign` for good: no checkout is looked for, whatever it names, and the statuses
#: that later statements move on are others.
#: `is_known`: the event tells of a capture that a confirmed order was paid with; there is nothing left to look for.
#: Written in the order of their ids, so that two deliveries of the same events do not wait for one another.
RECORD = text("""
    WITH told AS (
        SELECT * FROM unnest(
            CAST(:event_ids AS text[]), CAST(:types AS text[]), CAST(:provider_references AS text[]),
            CAST(:checkout_ids AS text[]), CAST(:created_at AS timestamptz[]), CAST(:are_foreign AS boolean[])
        ) WITH ORDINALITY AS told (event_id, type, provider_reference, named, created_at, is_foreign, place)
    ), matched AS MATERIALIZED (
        SELECT told.*, (
            SELECT c.checkout_id FROM checkouts c WHERE c.checkout_id = told.named AND NOT told.is_foreign
            UNION
            SELECT p.checkout_id FROM payments p
            WHERE p.provider_reference = told.provider_reference AND NOT told.is_foreign
            LIMIT 1
        ) AS checkout_id
        FROM told
    ), received AS (
        INSERT INTO payment_events (event_id, type, provider_reference, checkout_id, status, created_at)
        SELECT event_id, type, provider_reference, coalesce(checkout_id, named),
               CASE WHEN is_foreign THEN 'foreign' WHEN checkout_id IS NULL THEN 'unmatched' ELSE 'applied' END,
               created_at
        FROM matched ORDER BY event_id
        ON CONFLICT (event_id) DO NOTHING
    )
    SELECT m.checkout_id,
           m.type = 'payment_intent.succeeded' AND EXISTS (
               SELECT FROM checkouts c JOIN payments p USING (checkout_id)
               WHERE c.checkout_id = m.checkout_id AND c.status = 'confirmed'
                 AND p.provider_reference = m.provider_reference AND p.status = 'captured') AS is_known
    FROM matched m ORDER BY m.place
""")
