"""What reconciliation compares: the tables with each other and with the provider's ledger, a page at a time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from checkout.db.session import Database
from checkout.domain.payments import Charge, IntentRecord, LedgerEntry, OddEntry
from checkout.domain.reconcile import EndingRecord, ShelfRecord
from checkout.domain.states import CheckoutStatus, PaymentStatus

#: Checkouts that have not ended, whatever their age. The newest are left out: they are on their way.
_UNDER_WAY = text("""
    SELECT checkout_id FROM checkouts
    WHERE status NOT IN ('confirmed', 'rejected', 'cancelled') AND checkout_id > :after
      AND updated_at <= now() - make_interval(secs => :grace_seconds)
    ORDER BY checkout_id LIMIT :limit
""")

#: One snapshot for the shelf and for all that was taken from it. What has not moved in the window was compared before.
_STOCK = text("""
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
_ENDED = text("""
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
_MATCH_EVENTS = text("""
    UPDATE payment_events e SET status = 'applied'
    WHERE e.status = 'unmatched' AND (
        EXISTS (SELECT FROM checkouts c WHERE c.checkout_id = e.checkout_id)
        OR EXISTS (SELECT FROM payments p WHERE p.provider_reference = e.provider_reference))
    RETURNING e.event_id
""")

#: What the tables say of each intent, in the order asked: how its checkout stands, which capture it counts on, whether
#: an attempt is known to have made the intent, and the mark of what this deployment makes. An attempt of before
#: migration 0003 has no mark, and may have made any intent of its checkout.
_INTENTS = text("""
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
_UNSEEN_CAPTURES = text("""
    SELECT p.checkout_id, p.provider_reference FROM payments p JOIN checkouts c USING (checkout_id)
    WHERE p.status = 'captured' AND c.status = 'confirmed'
      AND p.created_at >= to_timestamp(:created_from) AND p.created_at < to_timestamp(:created_to) + interval '1 second'
      AND p.provider_reference <> ALL (CAST(:seen AS text[]))
    ORDER BY p.created_at LIMIT :limit
""")


async def under_way(database: Database, after: str, grace_seconds: float, limit: int) -> list[str]:
    """Checkouts that have not ended, by id, behind the one named ``after``."""
    parameters = {"after": after, "grace_seconds": grace_seconds, "limit": limit}
    return [row.checkout_id for row in await database.all(_UNDER_WAY, parameters)]


async def shelves(database: Database, after: str, since: str, limit: int) -> list[ShelfRecord]:
    """Articles that have moved since then, by SKU, behind the one named ``after``."""
    rows = await database.all(_STOCK, {"after": after, "since": since, "limit": limit})
    # PostgreSQL's sums are numeric.
    return [
        ShelfRecord(row.sku, row.on_hand, row.reserved, row.received, int(row.held), int(row.committed)) for row in rows
    ]


async def endings(database: Database, after_at: str, after_id: str, until: str, limit: int) -> list[EndingRecord]:
    """Checkouts in the order of their endings, behind the time and id given; times are ISO 8601."""
    parameters = {"after_at": after_at, "after_id": after_id, "until": until, "limit": limit}
    return [_ending(row) for row in await database.all(_ENDED, parameters)]


async def match_events(database: Database) -> int:
    """Let events that came too early count as applied, now that their checkout is known; returns how many."""
    return len(await database.all(_MATCH_EVENTS, {}))


async def intents(database: Database, entries: Sequence[LedgerEntry | OddEntry]) -> list[IntentRecord]:
    """What the tables say of each intent, in their order."""
    parameters = {
        # The checkout of an intent that cannot be read is not known.
        "checkout_ids": [one.checkout_id if isinstance(one, LedgerEntry) else "" for one in entries],
        "references": [one.provider_reference for one in entries],
    }
    return [_intent(row) for row in await database.all(_INTENTS, parameters)]


async def unseen_captures(
    database: Database, created_from: int, created_to: int, seen: Sequence[str], limit: int
) -> list[tuple[str, str]]:
    """Checkout and intent of captures that sales count on, made between the two Unix times, and not ``seen``."""
    parameters = {"created_from": created_from, "created_to": created_to, "seen": list(seen), "limit": limit}
    return [(row.checkout_id, row.provider_reference) for row in await database.all(_UNSEEN_CAPTURES, parameters)]


def _ending(row: Row[Any]) -> EndingRecord:
    return EndingRecord(
        checkout_id=row.checkout_id,
        status=CheckoutStatus(row.status),
        ended_at=row.updated_at,
        total_minor=row.total_minor,
        lines_total_minor=int(row.lines_total_minor),
        is_confirmed_in_part=bool(row.is_confirmed_in_part),
        is_undone_in_part=bool(row.is_undone_in_part),
    )


def _intent(row: Row[Any]) -> IntentRecord:
    kept = None
    if row.kept_reference is not None:
        kept = Charge(PaymentStatus.CAPTURED, row.kept_reference, row.captured_minor, row.captured_currency)
    return IntentRecord(
        status=CheckoutStatus(row.status) if row.status else None,
        deployment=row.deployment,
        is_recorded=row.is_recorded,
        kept=kept,
        refund_is_unfinished=row.refund_is_unfinished,
    )
