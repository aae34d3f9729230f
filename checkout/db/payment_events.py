"""The inbox of the provider's events: each is kept once."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import text

from checkout.db.session import Database
from checkout.domain.events import EventMatch, PaymentEvent

#: The checkout of each is the one that the event names, if it is there, or the one whose intent it is. An event without
#: one stays `unmatched` until the provider reports on an attempt of its checkout. A second delivery changes nothing.
#: One of another mode or account stays `foreign`: no checkout is looked for, whatever it names, and the statuses that
#: later statements move on are others.
#: `is_known`: the event tells of a capture that a confirmed order was paid with; there is nothing left to look for.
#: Written in the order of their ids, so that two deliveries of the same events do not wait for one another.
_RECORD = text("""
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
           m.type = ANY (CAST(:capture_types AS text[])) AND EXISTS (
               SELECT FROM checkouts c JOIN payments p USING (checkout_id)
               WHERE c.checkout_id = m.checkout_id AND c.status = 'confirmed'
                 AND p.provider_reference = m.provider_reference AND p.status = 'captured') AS is_known
    FROM matched m ORDER BY m.place
""")


async def record(
    database: Database, events: Sequence[PaymentEvent], are_foreign: Sequence[bool], capture_types: Collection[str]
) -> list[EventMatch]:
    """Put the events into the inbox; returns what each concerns, in their order.

    ``are_foreign``: which of them are of another mode or account. ``capture_types``: the types that tell of a capture.
    """
    rows = await database.all(
        _RECORD,
        {
            "event_ids": [event.event_id for event in events],
            "types": [event.type for event in events],
            "provider_references": [event.provider_reference for event in events],
            "checkout_ids": [event.checkout_id for event in events],
            "created_at": [datetime.fromtimestamp(event.created, UTC) for event in events],
            "are_foreign": list(are_foreign),
            "capture_types": list(capture_types),
        },
    )
    found = zip(rows, are_foreign, strict=True)
    return [EventMatch(row.checkout_id, row.is_known, is_foreign) for row, is_foreign in found]
