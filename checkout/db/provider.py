"""Statements on what all checkouts share at the provider: its account, and whether it takes payments at present."""

from sqlalchemy import text

#: Payments that the provider itself has told of, by which its account is known again: the newest that were captured, or
#: else any. One that counts as captured on a person's word has no charge of the provider's, and proves nothing.
KNOWN_PAYMENTS = text("""
    (SELECT provider_reference FROM payments WHERE status = 'captured' AND provider_charge IS NOT NULL
       AND created_at >= :since ORDER BY created_at DESC LIMIT 3)
    UNION ALL
    (SELECT provider_reference FROM payments WHERE provider_reference IS NOT NULL AND created_at >= :since
       AND (provider_charge IS NOT NULL OR status IN ('requires_action', 'pending', 'declined', 'voided')) LIMIT 3)
    LIMIT 3
""")

#: Returns a row to the first who notes it, and to nobody after it. An account that has charged somebody moments ago can
#: charge: whoever is refused then waits alone, so that one odd payment does not hold the others again and again.
HOLD = text("""
    INSERT INTO provider_hold (reason, detail)
    SELECT :reason, :detail WHERE :reason <> 'account_cannot_charge' OR NOT EXISTS (
        SELECT FROM payments WHERE status = 'captured' AND created_at > now() - interval '1 minute'
        AND updated_at > now() - interval '3 seconds')
    ON CONFLICT DO NOTHING RETURNING since
""")

HELD = text("SELECT reason, detail FROM provider_hold")

RELEASE = text("DELETE FROM provider_hold RETURNING reason, since")


_WAITS = """
    c.status = 'payment_stuck'
    AND c.reason IN ('account_cannot_charge', 'provider_refuses_key', 'other_provider_account')
"""

#: One of those that wait, whichever, so that a single odd payment does not speak for all; and how many they are.
ONE_WAITING = text(f"""
    SELECT c.checkout_id, p.attempt, count(*) OVER () AS how_many
    FROM checkouts c JOIN payments p USING (checkout_id)
    WHERE {_WAITS} AND p.status IN ('processing', 'unknown') ORDER BY random() LIMIT 1
""")  # noqa: S608 - put together from the constant above

#: All of them, the one included that was tried and paid.
WAITING = text(f"""
    SELECT c.checkout_id FROM checkouts c WHERE {_WAITS} AND c.checkout_id > :after ORDER BY c.checkout_id LIMIT 500
""")  # noqa: S608 - put together from the constant above
