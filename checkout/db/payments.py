"""Statements on the attempts to pay and on their refunds. An attempt is committed before anything is sent."""

from sqlalchemy import text

#: Answers no row when the attempt is there already, or may not be made (any more).
START_ATTEMPT = text("""
    WITH me AS (
        UPDATE checkouts SET status = 'processing', reason = NULL, actor = 'workflow'
        WHERE checkout_id = :checkout_id AND status IN ('processing', 'awaiting_payment', 'payment_stuck')
          AND NOT EXISTS (SELECT FROM payments WHERE checkout_id = :checkout_id AND attempt = :attempt)
        RETURNING checkout_id
    )
    INSERT INTO payments AS p (checkout_id, attempt, idempotency_key, payment_method, provider_reference, amount_minor,
                               currency, status)
    SELECT me.checkout_id, :attempt, :idempotency_key, :payment_method,
           -- A declined intent is tried again; one that was voided is not.
           (SELECT declined.provider_reference FROM payments declined
            WHERE declined.checkout_id = me.checkout_id AND declined.attempt = :attempt - 1
              AND declined.status = 'declined'),
           :amount_minor, :currency, 'processing'
    FROM me JOIN orders o USING (checkout_id) WHERE o.status = 'pending'
    ON CONFLICT (checkout_id, attempt) DO NOTHING
    RETURNING p.*, (SELECT coalesce(before.provider_charge, '') FROM payments before
                    WHERE before.checkout_id = p.checkout_id AND before.attempt = p.attempt - 1
                      AND before.provider_reference = p.provider_reference) AS previous_charge
""")

#: The attempt as it stands, and whether its checkout may still be bought.
ATTEMPT = text("""
    SELECT p.*, CASE WHEN before.provider_reference = p.provider_reference
                     THEN coalesce(before.provider_charge, '') END AS previous_charge,
           c.status IN ('processing', 'awaiting_payment', 'payment_stuck') AS is_open
    FROM payments p JOIN checkouts c USING (checkout_id)
    LEFT JOIN payments before ON before.checkout_id = p.checkout_id AND before.attempt = p.attempt - 1
    WHERE p.checkout_id = :checkout_id AND p.attempt = :attempt
""")

ATTEMPTS = text("""
    SELECT p.*, CASE WHEN before.provider_reference = p.provider_reference
                     THEN coalesce(before.provider_charge, '') END AS previous_charge
    FROM payments p LEFT JOIN payments before ON before.checkout_id = p.checkout_id AND before.attempt = p.attempt - 1
    WHERE p.checkout_id = :checkout_id ORDER BY p.attempt
""")

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
""")

#: Of a change of the status the triggers keep the time; a run that comes late and has nothing new leaves no trace.
RECORD_REFUND = text("""
    WITH mine AS (
        UPDATE refunds SET status = :status, provider_reference = :provider_reference
        WHERE checkout_id = :checkout_id AND attempt = :attempt
        RETURNING checkout_id, attempt, status
    )
    UPDATE payments p SET status = 'refunded' FROM mine
    WHERE p.checkout_id = mine.checkout_id AND p.attempt = mine.attempt AND mine.status = 'succeeded'
      AND p.status = 'refunding'
""")
