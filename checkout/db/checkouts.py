"""The checkout's own row: the lock of everything that a checkout has, and its tombstone."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from checkout.db.session import Database
from checkout.domain.errors import InvariantBroken
from checkout.domain.messages import EndedCheckout, PricedLine, StaffAction, StatusChange, Undo
from checkout.domain.states import TRANSITIONS, CheckoutStatus, PaymentStatus, Reason

#: First statement of every undo. It locks the row (or leaves a tombstone where there is none, so that a late do is
#: refused) and has it undone if it may still be bought; the statements after it see all that the do had committed.
_START_COMPENSATING = text("""
    INSERT INTO checkouts AS c (checkout_id, status, reason, actor)
    VALUES (:checkout_id, 'compensating', :reason, :actor)
    ON CONFLICT (checkout_id) DO UPDATE
    SET status = excluded.status, reason = excluded.reason, actor = excluded.actor
    WHERE c.status IN ('processing', 'awaiting_payment', 'payment_stuck')
""")

#: Last statement of the last undo.
_CLOSE = text("""
    UPDATE checkouts SET status = :ending, reason = :reason, actor = :actor
    WHERE checkout_id = :checkout_id AND status IN ('compensating', 'compensation_stuck')
""")

#: Only ever along an allowed transition: a change that comes late finds the checkout further on, and does nothing. What
#: is being undone keeps the reason why.
_CHANGE_STATUS = text("""
    UPDATE checkouts SET status = :status, actor = :actor,
           reason = CASE WHEN status = 'compensating' THEN coalesce(:reason, reason) ELSE :reason END
    WHERE checkout_id = :checkout_id AND status = ANY (CAST(:from_statuses AS text[]))
""")

_RECORD_ACTION = text("""
    INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor, reason)
    VALUES (:checkout_id, 'staff', :action, :before, :after, :actor, :reason)
""")

_STATUS = text("SELECT status, reason FROM checkouts WHERE checkout_id = :checkout_id")

#: The lines of the order `o`, as `PricedLine` has them.
ORDER_LINES = """
           (SELECT jsonb_agg(jsonb_build_object('sku', l.sku, 'name', l.name, 'quantity', l.quantity,
                                                'unit_price_minor', l.unit_price_minor) ORDER BY l.sku)
            FROM order_lines l WHERE l.order_number = o.order_number)
"""

#: Everything that is left of an ended checkout.
_RECORDED = text(f"""
    SELECT c.status, c.reason, o.order_number, o.total_minor,
           {ORDER_LINES} AS lines,
           p.status AS payment_status, coalesce(p.attempt, 0) AS attempts, p.decline_code
    FROM checkouts c
    LEFT JOIN orders o USING (checkout_id)
    LEFT JOIN LATERAL (SELECT * FROM payments WHERE checkout_id = c.checkout_id ORDER BY attempt DESC LIMIT 1) p ON true
    WHERE c.checkout_id = :checkout_id
""")  # noqa: S608 - put together from the constant above


@dataclass(frozen=True)
class CheckoutRecord:
    """Where a checkout stands, and how it ended, once it has."""

    status: CheckoutStatus
    ending: EndedCheckout | None = None


async def status(database: Database, checkout_id: str) -> CheckoutStatus | None:
    """Where the checkout stands; None while there is none."""
    row = await database.one(_STATUS, {"checkout_id": checkout_id})
    return CheckoutStatus(row.status) if row else None


async def read(database: Database, checkout_id: str) -> CheckoutRecord | None:
    """Where the checkout stands, and all that is left of one that has ended; None while there is none."""
    row = await database.one(_RECORDED, {"checkout_id": checkout_id})
    if row is None:
        return None
    status = CheckoutStatus(row.status)
    return CheckoutRecord(status, _ending(row) if status.is_final else None)


async def change_status(database: Database, change: StatusChange) -> None:
    """Move the checkout's row to the status, if the row may go there from where it is."""
    # What stays in its state may stay there for another reason.
    before = [change.status, *(before for before, after in TRANSITIONS["checkouts"] if after == change.status)]
    await database.run(_CHANGE_STATUS, {**vars(change), "from_statuses": before})


async def record_staff_action(database: Database, action: StaffAction) -> None:
    """Add a line to the audit log."""
    await database.run(_RECORD_ACTION, vars(action))


async def begin_undo(database: Database, undo: Undo) -> None:
    """Have the checkout undone if it may still be bought; what a late do has committed by then can be seen after this.

    Raises:
        InvariantBroken: the checkout is confirmed, and stays so.
    """
    async with database.transaction() as connection:
        await lock_for_undo(connection, undo)


async def lock_for_undo(connection: AsyncConnection, undo: Undo) -> dict[str, str]:
    """The same, at the beginning of a transaction of this room; returns the parameters of the statements after it.

    Raises:
        InvariantBroken: the checkout is confirmed, and stays so.
    """
    parameters = vars(undo).copy()
    await connection.execute(_START_COMPENSATING, parameters)
    status = (await connection.execute(_STATUS, parameters)).scalar_one()
    if status == CheckoutStatus.CONFIRMED:
        raise InvariantBroken(f"checkout {undo.checkout_id} is confirmed, and nothing of it can be undone")
    return parameters


async def close(connection: AsyncConnection, undo: Undo) -> EndedCheckout:
    """The last statements of the last undo: the checkout ends; returns how it ended."""
    parameters = {**vars(undo), "ending": undo.reason.ending}
    await connection.execute(_CLOSE, parameters)
    ended = (await connection.execute(_STATUS, parameters)).one()
    return EndedCheckout(CheckoutStatus(ended.status), Reason(ended.reason))


def _ending(row: Row[Any]) -> EndedCheckout:
    return EndedCheckout(
        status=CheckoutStatus(row.status),
        reason=Reason(row.reason) if row.reason else None,
        order_number=row.order_number,
        total_minor=row.total_minor,
        lines=tuple(PricedLine(**line) for line in row.lines or ()),
        payment_status=PaymentStatus(row.payment_status or PaymentStatus.NONE),
        attempts=row.attempts,
        decline_code=row.decline_code,
    )
