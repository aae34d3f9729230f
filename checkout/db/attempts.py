"""The attempts to pay, in the table of payments. An attempt is committed before anything is sent."""

from typing import Any

from sqlalchemy import Row, text

from checkout.db.session import Database
from checkout.domain.messages import ChargePayment
from checkout.domain.payments import Attempt, AttemptRecord, Charge, first_charge_key
from checkout.domain.states import PaymentStatus, Reason

#: Returns no row when the attempt is there already, or may not be made (any more). `held`: why no payment can be taken
#: at present.
_START = text("""
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
    SELECT p.*, p.idempotency_key AS present_key, p.created_at AS key_started_at, true AS checkout_is_open,
           ARRAY(SELECT e.provider_charge FROM payments e WHERE e.checkout_id = p.checkout_id
                 AND e.provider_charge IS NOT NULL) AS earlier_charges,
           p.provider_reference IS NOT NULL AS shares_intent,
           (SELECT h.reason FROM provider_hold h) AS held
    FROM p
""")

#: Beside the row of an attempt: its present key (the first one stands in the row itself), what came of the earlier
#: tries of its checkout, whether its intent carries one of those as well, and whether its checkout may still be bought.
_ATTEMPTS = """
    SELECT p.*, coalesce(k.idempotency_key, p.idempotency_key) AS present_key,
           coalesce(k.created_at, p.created_at) AS key_started_at,
           c.status IN ('processing', 'awaiting_payment', 'payment_stuck') AS checkout_is_open,
           ARRAY(SELECT e.provider_charge FROM payments e WHERE e.checkout_id = p.checkout_id AND e.attempt < p.attempt
                 AND e.provider_charge IS NOT NULL) AS earlier_charges,
           EXISTS (SELECT FROM payments e WHERE e.checkout_id = p.checkout_id AND e.attempt < p.attempt
                   AND e.provider_reference = p.provider_reference) AS shares_intent,
           (SELECT h.reason FROM provider_hold h) AS held
    FROM payments p JOIN checkouts c USING (checkout_id)
    LEFT JOIN LATERAL (SELECT * FROM idempotency_keys k WHERE k.checkout_id = p.checkout_id AND k.purpose = 'charge'
                       AND k.subject = p.attempt::text ORDER BY k.number DESC LIMIT 1) k ON true
    WHERE p.checkout_id = :checkout_id
"""
_ONE = text(f"{_ATTEMPTS} AND p.attempt = :attempt")

#: The newest first: it alone can be open.
_ALL = text(f"{_ATTEMPTS} ORDER BY p.attempt DESC")

#: What the provider said of an open attempt. An attempt that has its final outcome keeps it. Events that had come
#: before anybody knew the checkout have done their work with this look.
_RECORD = text("""
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
_RECORD_CAPTURE = text("""
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
_NEW_KEY = text("""
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

_NO_VALUES: dict[str, Any] = dict.fromkeys(
    ("provider_reference", "provider_charge", "decline_code", "captured_minor", "captured_currency")
)


async def start(database: Database, request: ChargePayment) -> AttemptRecord | None:
    """Write a new attempt; None where it is there already, or its checkout may not be bought (any more)."""
    key = first_charge_key(request.checkout_id, request.attempt)
    row = await database.one(_START, {**vars(request), "idempotency_key": key})
    return _record(row) if row else None


async def read(database: Database, checkout_id: str, number: int) -> AttemptRecord | None:
    """The attempt as it stands; None if there is none."""
    row = await database.one(_ONE, {"checkout_id": checkout_id, "attempt": number})
    return _record(row) if row else None


async def of_checkout(database: Database, checkout_id: str) -> list[AttemptRecord]:
    """Every attempt of the checkout, the newest first."""
    return [_record(row) for row in await database.all(_ALL, {"checkout_id": checkout_id})]


async def replace_key(database: Database, attempt: Attempt, provider_reference: str | None, why: str) -> Attempt | None:
    """Record the attempt's next key, and the intent to go on with, if any; returns the attempt with them.

    None where the checkout may not be bought any more, the attempt is not open, or its key was replaced meanwhile.
    """
    number = attempt.key_number + 1
    noted = await database.one(
        _NEW_KEY,
        {
            "checkout_id": attempt.checkout_id,
            "attempt": str(attempt.number),
            "number": number,
            "idempotency_key": f"{first_charge_key(attempt.checkout_id, attempt.number)}-{number}",
            "provider_reference": provider_reference,
            "why": why,
        },
    )
    if noted is None:
        return None
    renewed = attempt.with_key(noted.idempotency_key, int(noted.created_at.timestamp()))
    if provider_reference == attempt.provider_reference:
        return renewed
    return renewed.with_reference(provider_reference).on_its_own()


async def record_charge(
    database: Database, attempt: Attempt, charge: Charge, actor: str = "workflow", reason: str | None = None
) -> None:
    """Commit what the provider says; an attempt that has its final outcome keeps it."""
    taken = {"captured_minor": charge.captured_minor, "captured_currency": charge.currency}
    values: dict[str, Any] = {
        "status": charge.status,
        "provider_reference": charge.provider_reference,
        "provider_charge": charge.latest_charge,
        "decline_code": charge.decline_code,
    }
    values |= taken if charge.status is PaymentStatus.CAPTURED else {}
    await _write(database, attempt, actor, reason, **values)


async def record_unknown(database: Database, attempt: Attempt, why: str) -> None:
    """Commit that nobody knows what became of the attempt."""
    await _write(database, attempt, "workflow", why, status=PaymentStatus.UNKNOWN)


async def record_decline(
    database: Database, attempt: Attempt, decline_code: str, provider_reference: str | None
) -> None:
    """Commit that the provider would not even try; it may have made an intent before."""
    values = {"decline_code": decline_code, "provider_reference": provider_reference}
    await _write(database, attempt, "workflow", None, status=PaymentStatus.DECLINED, **values)


async def record_void(database: Database, attempt: Attempt, actor: str, reason: str | None) -> None:
    """Commit that nothing was taken and nothing can be any more."""
    await _write(database, attempt, actor, reason, status=PaymentStatus.VOIDED)


async def record_capture(database: Database, attempt: Attempt, charge: Charge, actor: str, reason: str) -> None:
    """Commit that the provider took the money, whatever had been written of the attempt before."""
    await database.run(
        _RECORD_CAPTURE,
        {
            "checkout_id": attempt.checkout_id,
            "attempt": attempt.number,
            "provider_reference": charge.provider_reference,
            "provider_charge": charge.latest_charge,
            "captured_minor": charge.captured_minor,
            "captured_currency": charge.currency,
            "actor": actor,
            "reason": reason,
        },
    )


async def _write(database: Database, attempt: Attempt, actor: str, reason: str | None, **values: Any) -> None:
    which = {"checkout_id": attempt.checkout_id, "attempt": attempt.number, "actor": actor, "reason": reason}
    await database.run(_RECORD, _NO_VALUES | which | values)


def _record(row: Row[Any]) -> AttemptRecord:
    status = PaymentStatus(row.status)
    captured = None
    if status.is_taken:
        captured = Charge(PaymentStatus.CAPTURED, row.provider_reference, row.captured_minor, row.captured_currency)
    return AttemptRecord(
        attempt=_attempt(row),
        status=status,
        checkout_is_open=row.checkout_is_open,
        decline_code=row.decline_code,
        captured=captured,
        held=Reason(row.held) if row.held else None,
    )


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        checkout_id=row.checkout_id,
        number=row.attempt,
        idempotency_key=row.present_key,
        payment_method=row.payment_method,
        amount_minor=row.amount_minor,
        currency=row.currency,
        started_at=int(row.created_at.timestamp()),
        provider_reference=row.provider_reference,
        # A row of before migration 0003 has no mark, and the same request has to be sent again as it was.
        deployment=row.deployment or "",
        key_started_at=int(row.key_started_at.timestamp()),
        has_earlier_keys=row.present_key != row.idempotency_key,
        shares_intent=row.shares_intent,
        earlier_charges=tuple(row.earlier_charges),
        # Once the provider has reported on this try, what it says of the intent is of this try.
        is_reported=row.status not in (PaymentStatus.PROCESSING, PaymentStatus.UNKNOWN),
    )
