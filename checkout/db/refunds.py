"""Refunds, and the keys under which they were asked for. A refund is committed before it is asked for.

One pair of statements serves an undo and a payment that reconciliation found to belong to no sale. Of the latter the
tables may know no attempt; then the audit log alone has it.
"""

from typing import Any

from sqlalchemy import text

from checkout.db.session import Database
from checkout.domain.payments import CapturedPayment, Refund, RefundCause, RefundKey

#: The attempt whose money it is: the newest one on the intent, or one whose intent was never heard of.
_MINE = """
    SELECT checkout_id, attempt FROM payments
    WHERE checkout_id = :checkout_id
      AND (provider_reference = :provider_reference OR provider_reference IS NULL AND attempt = :attempt)
    ORDER BY attempt DESC LIMIT 1
"""

#: An undo that runs again finds its refund, and changes nothing. An orphan's money is known to be held: a refund of it
#: that had succeeded did not last, since the bank has reported it as failed.
_START = text(f"""
    WITH mine AS ({_MINE}), moved AS (
        UPDATE payments p SET status = 'refunding', reason = :reason, actor = :actor FROM mine
        WHERE p.checkout_id = mine.checkout_id AND p.attempt = mine.attempt AND p.status = 'captured'
        RETURNING p.attempt
    ), noted AS (
        INSERT INTO refunds AS r (checkout_id, attempt, idempotency_key, amount_minor, currency, status, reason, actor)
        SELECT checkout_id, attempt, :idempotency_key, :amount_minor, :currency, 'pending', :reason, :actor
        FROM mine LEFT JOIN moved USING (attempt)
        ON CONFLICT (checkout_id, attempt) DO UPDATE SET status = 'failed', actor = excluded.actor,
            reason = excluded.reason WHERE r.status = 'succeeded' AND :is_orphan
    )
    INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor, reason)
    SELECT :checkout_id, 'reconciliation', :provider_reference, 'captured', 'refunding', :actor, :reason
    WHERE :is_orphan
""")  # noqa: S608 - put together from the constant above

#: What the provider says counts, except that a refund which has succeeded is not pending again. Of a change of the
#: status the triggers keep the time; a run that comes late and has nothing new leaves no trace.
_RECORD = text(f"""
    WITH mine AS ({_MINE}), told AS (
        UPDATE refunds r SET status = :status, provider_reference = :refund_reference FROM mine
        WHERE r.checkout_id = mine.checkout_id AND r.attempt = mine.attempt
          AND (r.status <> 'succeeded' OR :status = 'succeeded')
        RETURNING r.checkout_id, r.attempt, r.status
    ), settled AS (
        UPDATE payments p SET status = 'refunded' FROM told
        WHERE p.checkout_id = told.checkout_id AND p.attempt = told.attempt AND told.status = 'succeeded'
          AND p.status = 'refunding'
    )
    INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor, reason)
    SELECT :checkout_id, 'reconciliation', :provider_reference, 'refunding', :status, :actor, :reason
    WHERE :is_orphan
""")  # noqa: S608 - put together from the constant above

_KEYS = text("""
    SELECT idempotency_key, number FROM idempotency_keys
    WHERE checkout_id = :checkout_id AND purpose = 'refund' AND subject = :provider_reference ORDER BY number DESC
""")

_NEW_KEY = text("""
    INSERT INTO idempotency_keys (idempotency_key, checkout_id, purpose, subject, number, why)
    VALUES (:idempotency_key, :checkout_id, 'refund', :provider_reference, :number, :why)
    ON CONFLICT DO NOTHING
""")


async def start(database: Database, payment: CapturedPayment, cause: RefundCause) -> None:
    """Commit that the money is to be given back."""
    money = {"amount_minor": payment.captured_minor, "currency": payment.currency}
    key = {"idempotency_key": payment.refund_key(1).idempotency_key}
    await database.run(_START, _which(payment) | vars(cause) | money | key)


async def record(database: Database, payment: CapturedPayment, refund: Refund, cause: RefundCause) -> None:
    """Commit where the provider says the refund stands."""
    told = {"status": refund.status, "refund_reference": refund.provider_reference}
    await database.run(_RECORD, _which(payment) | vars(cause) | told)


async def newest_key(database: Database, payment: CapturedPayment) -> RefundKey | None:
    """The key that is used at present; None before the first was recorded."""
    row = await database.one(_KEYS, _which(payment))
    return RefundKey(row.idempotency_key, row.number) if row else None


async def add_key(database: Database, payment: CapturedPayment, key: RefundKey, why: str) -> None:
    """Record a key before it is used; one that is there already stays."""
    await database.run(_NEW_KEY, _which(payment) | vars(key) | {"why": why})


def _which(payment: CapturedPayment) -> dict[str, Any]:
    return {
        "checkout_id": payment.checkout_id,
        "attempt": payment.attempt,
        "provider_reference": payment.provider_reference,
    }
