"""Statements on the attempts to pay and on their refunds. An attempt is committed before anything is sent."""

from sqlalchemy import text

#: Answers no row when the attempt is there already, or may not be made (any more).
START_ATTEMPT = text("""
    WITH me AS MATERIALIZED (
        SELECT checkout_id FROM checkouts WHERE checkout_id = :checkout_id AND status = 'processing' FOR NO KEY UPDATE
    )
    INSERT INTO payments AS p (checkout_id, attempt, idempotency_key, payment_method, provider_reference, amount_minor,
                          currency, status)
    SELECT me.checkout_id, :attempt, :idempotency_key, :payment_method,
           (SELECT prev.provider_reference FROM payments prev
            WHERE prev.checkout_id = me.checkout_id AND prev.attempt = :attempt - 1),
           :amount_minor, :currency, 'processing'
    FROM me JOIN orders o USING (checkout_id) WHERE o.status = 'pending'
    ON CONFLICT (checkout_id, attempt) DO NOTHING
    RETURNING p.*
""")

#: The attempt as it stands, and whether its checkout is still open.
ATTEMPT = text("""
    SELECT p.*, c.status = 'processing' AS is_open
    FROM payments p JOIN checkouts c USING (checkout_id)
    WHERE p.checkout_id = :checkout_id AND p.attempt = :attempt
""")

ATTEMPTS = text("SELECT * FROM payments WHERE checkout_id = :checkout_id ORDER BY attempt")

#: What the provider said of an open attempt. An attempt that has its final answer keeps it.
RECORD_ANSWER = text("""
    UPDATE payments SET status = :status, provider_reference = coalesce(:provider_reference, provider_reference),
           decline_code = :decline_code, captured_minor = :captured_minor, captured_currency = :captured_currency,
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

RECORD_REFUND = text("""
    WITH mine AS (
        UPDATE refunds SET status = :status, provider_reference = :provider_reference, updated_at = now()
        WHERE checkout_id = :checkout_id AND attempt = :attempt
        RETURNING checkout_id, attempt, status
    )
    UPDATE payments p SET status = 'refunded' FROM mine
    WHERE p.checkout_id = mine.checkout_id AND p.attempt = mine.attempt AND mine.status = 'succeeded'
      AND p.status = 'refunding'
""")
