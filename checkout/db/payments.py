"""Statements on the attempts to pay and on their refunds. An attempt is committed before anything is sent."""

from sqlalchemy import text

#: What is read of an attempt beside its row: its present key (the first one stands in the row itself), what came of the
#: earlier tries of its checkout, and whether its intent carries one of those as well.
_ABOUT = """
    coalesce(k.idempotency_key, p.idempotency_key) AS present_key,
    coalesce(k.created_at, p.created_at) AS key_started_at,
    ARRAY(SELECT e.provider_charge FROM payments e WHERE e.checkout_id = p.checkout_id AND e.attempt < p.attempt
          AND e.provider_charge IS NOT NULL) AS earlier_charges,
    EXISTS (SELECT FROM payments e WHERE e.checkout_id = p.checkout_id AND e.attempt < p.attempt
            AND e.provider_reference = p.provider_reference) AS shares_intent
"""

_NEWEST_KEY = """
    LEFT JOIN LATERAL (SELECT * FROM idempotency_keys k WHERE k.checkout_id = p.checkout_id AND k.purpose = 'charge'
                       AND k.subject = p.attempt::text ORDER BY k.number DESC LIMIT 1) k ON true
"""

#: Returns no row when the attempt is there already, or may not be made (any more). `held`: why no payment can be taken
#: at present.
START_ATTEMPT = text("""
    WITH me AS (
        UPDATE checkouts SET status = 'processing', reason = NULL, actor = 'workflow'
        WHERE checkout_id = :checkout_id AND status IN ('processing', 'awaiting_payment', 'payment_stuck')
          AND NOT EXISTS (SELECT FROM payments WHERE checkout_id = :checkout_id AND attempt = :attempt)
        RETURNING checkout_id
    ), p AS (
        INSERT INTO payments (checkout_id, attempt, idempotency_key, payment_method, provider_reference, amount_minor,
                              currency, deployment, status)
        SELECT me.checkout_id, :attempt, :idempotency_key, :payment_method,
               -- A declined intent is tried again; one that was voided is not.
               (SELECT e.provider_reference FROM payments e
                WHERE e.checkout_id = me.checkout_id AND e.attempt < :attempt AND e.status = 'declined'
                  AND NOT EXISTS (SELECT FROM payments v WHERE v.checkout_id = e.checkout_id AND v.status = 'voided'
                                  AND v.provider_reference = e.provider_reference)
                  AND e.provider_reference IS NOT NULL ORDER BY e.attempt DESC LIMIT 1),
               :amount_minor, :currency, (SELECT d.mark FROM deployment d), 'processing'
        FROM me JOIN orders o USING (checkout_id) WHERE o.status = 'pending'
        ON CONFLICT (checkout_id, attempt) DO NOTHING
        RETURNING *
    )
    SELECT p.*, p.idempotency_key AS present_key, p.created_at AS key_started_at, true AS is_open,
           ARRAY(SELECT e.provider_charge FROM payments e WHERE e.checkout_id = p.checkout_id
                 AND e.provider_charge IS NOT NULL) AS earlier_charges,
           p.provider_reference IS NOT NULL AS shares_intent,
           (SELECT h.reason FROM provider_hold h) AS held
    FROM p
""")

#: The attempt as it stands, and whether its checkout may still be bought.
ATTEMPT = text(f"""
    SELECT p.*, {_ABOUT}, c.status IN ('processing', 'awaiting_payment', 'payment_stuck') AS is_open,
           (SELECT h.reason FROM provider_hold h) AS held
    FROM payments p JOIN checkouts c USING (checkout_id) {_NEWEST_KEY}
    WHERE p.checkout_id = :checkout_id AND p.attempt = :attempt
""")  # noqa: S608 - put together from the constants above

#: The newest first: it alone can be open.
ATTEMPTS = text(f"""
    SELECT p.*, {_ABOUT} FROM payments p {_NEWEST_KEY} WHERE p.checkout_id = :checkout_id ORDER BY p.attempt DESC
""")  # noqa: S608 - put together from the constants above

#: What the provider said of an open attempt. An attempt that has its final answer keeps it. Events that had come before
#: anybody knew the checkout have done their work with this look.
RECORD_ANSWER = text("""
    WITH matched AS (
        UPDATE payment_events SET status = 'applied' WHERE checkout_id = :checkout_id AND status = 'unmatched'
    )
    UPDATE payments SET status = :status, provider_reference = coalesce(:provider_reference, provider_reference),
           provider_charge = coalesce(:provider_charge, provider_charge), decline_code = :decline_code,
           captured_minor = :captured_minor, captured_currency = :captured_currency,
           reason = :reason, actor = :actor, updated_at = now()
    WHERE checkout_id = :checkout_id AND attempt = :attempt
      AND status IN ('processing', 'unknown', 'pending', 'requires_action')
""")

#: An undo found that the provider had taken the money after all, whatever the row says.
RECORD_CAPTURE = text("""
    UPDATE payments SET status = 'captured', provider_reference = :provider_reference,
           provider_charge = coalesce(:provider_charge, provider_charge), decline_code = NULL,
           captured_minor = :captured_minor, captured_currency = :captured_currency,
           reason = :reason, actor = :actor, updated_at = now()
    WHERE checkout_id = :checkout_id AND attempt = :attempt
      AND status IN ('processing', 'unknown', 'pending', 'requires_action', 'declined', 'voided')
""")

#: Before a new key is used, while the checkout may still be bought and the attempt is open; no row: it may not. The
#: lock on the checkout's row keeps an undo from reading the attempts before the key is among them; the one on the
#: attempt's keeps it from being settled meanwhile. `provider_reference`: the intent to go on with, if any.
NEW_CHARGE_KEY = text("""
    WITH me AS MATERIALIZED (
        SELECT checkout_id FROM checkouts WHERE checkout_id = :checkout_id
          AND status IN ('processing', 'awaiting_payment', 'payment_stuck') FOR NO KEY UPDATE
    ), mine AS (
        UPDATE payments p SET provider_reference = :provider_reference, updated_at = now() FROM me
        WHERE p.checkout_id = me.checkout_id AND p.attempt = CAST(:attempt AS integer)
          AND p.status IN ('processing', 'unknown', 'pending', 'requires_action')
          AND NOT EXISTS (SELECT FROM idempotency_keys k WHERE k.idempotency_key = :idempotency_key)
        RETURNING p.checkout_id
    )
    INSERT INTO idempotency_keys (idempotency_key, checkout_id, purpose, subject, number, why)
    SELECT :idempotency_key, checkout_id, 'charge', :attempt, :number, :why FROM mine
    ON CONFLICT DO NOTHING
    RETURNING idempotency_key, created_at
""")

#: The keys under which an intent's refund was asked for, the newest first.
REFUND_KEYS = text("""
    SELECT idempotency_key, number FROM idempotency_keys
    WHERE checkout_id = :checkout_id AND purpose = 'refund' AND subject = :provider_reference ORDER BY number DESC
""")

NEW_REFUND_KEY = text("""
    INSERT INTO idempotency_keys (idempotency_key, checkout_id, purpose, subject, number, why)
    VALUES (:idempotency_key, :checkout_id, 'refund', :provider_reference, :number, :why)
    ON CONFLICT DO NOTHING
""")

#: Committed before the refund is asked for, so that a repeated undo asks for the same one.
START_REFUND = text("""
    WITH mine AS (
        UPDATE payments SET status = 'refunding', reason = :reason, actor = :actor
        WHERE checkout_id = :checkout_id AND attempt = :attempt AND status = 'captured'
        RETURNING checkout_id, attempt, captured_minor, captured_currency
    )
    INSERT INTO refunds (checkout_id, attempt, idempotency_key, amount_minor, currency, status, reason, actor)
    SELECT checkout_id, attempt, :idempotency_key, captured_minor, captured_currency, 'pending', :reason, :actor
    FROM mine
    ON CONFLICT DO NOTHING
""")

#: Of a change of the status the triggers keep the time; a run that comes late and has nothing new leaves no trace.
RECORD_REFUND = text("""
    WITH mine AS (
        UPDATE refunds SET status = :status, provider_reference = coalesce(:provider_reference, provider_reference)
        WHERE checkout_id = :checkout_id AND attempt = :attempt
        RETURNING checkout_id, attempt, status
    )
    UPDATE payments p SET status = 'refunded' FROM mine
    WHERE p.checkout_id = mine.checkout_id AND p.attempt = mine.attempt AND mine.status = 'succeeded'
      AND p.status = 'refunding'
""")
