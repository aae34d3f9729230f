"""What all checkouts share at the provider: its account, and whether it takes payments at present."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from checkout.db.session import Database
from checkout.domain.messages import HoldRequest
from checkout.domain.states import Reason

#: Payments that the provider itself has reported on, by which its account is known again: the newest that were
#: captured, or else any. One that counts as captured on a person's word has no charge of the provider's, and proves
#: nothing.
_KNOWN_PAYMENTS = text("""
    (SELECT provider_reference FROM payments WHERE status = 'captured' AND provider_charge IS NOT NULL
       AND created_at >= :since ORDER BY created_at DESC LIMIT 3)
    UNION ALL
    (SELECT provider_reference FROM payments WHERE provider_reference IS NOT NULL AND created_at >= :since
       AND (provider_charge IS NOT NULL OR status IN ('requires_action', 'pending', 'declined', 'voided')) LIMIT 3)
    LIMIT 3
""")

#: Returns a row to the first who notes it, and none to the others. An account that has charged somebody moments ago can
#: charge: whoever is refused then waits alone, so that one odd payment does not hold the others again and again.
_HOLD = text("""
    INSERT INTO provider_hold (reason, detail)
    SELECT :reason, :detail WHERE :reason <> 'account_cannot_charge' OR NOT EXISTS (
        SELECT FROM payments WHERE status = 'captured' AND created_at > now() - interval '1 minute'
        AND updated_at > now() - interval '3 seconds')
    ON CONFLICT DO NOTHING RETURNING since
""")

_HELD = text("SELECT reason, detail FROM provider_hold")

_RELEASE = text("DELETE FROM provider_hold RETURNING reason, since")


_WAITS = """
    c.status = 'payment_stuck'
    AND c.reason IN ('account_cannot_charge', 'provider_refuses_key', 'other_provider_account')
"""

#: One of those that wait, whichever, so that a single odd payment does not speak for all; and how many they are.
_ONE_WAITING = text(f"""
    SELECT c.checkout_id, p.attempt, count(*) OVER () AS how_many
    FROM checkouts c JOIN payments p USING (checkout_id)
    WHERE {_WAITS} AND p.status IN ('processing', 'unknown') ORDER BY random() LIMIT 1
""")  # noqa: S608 - put together from the constant above

#: All of them, the one included that was tried and paid.
_WAITING = text(f"""
    SELECT c.checkout_id FROM checkouts c WHERE {_WAITS} AND c.checkout_id > :after ORDER BY c.checkout_id LIMIT 500
""")  # noqa: S608 - put together from the constant above


@dataclass(frozen=True)
class ReleasedHold:
    """A hold that has ended: why payments were held, and since when."""

    reason: Reason
    since: datetime


@dataclass(frozen=True)
class WaitingAttempt:
    """An attempt that waits for a hold to end, and how many checkouts wait with it, itself included."""

    checkout_id: str
    attempt: int
    waiting: int


async def known_payments(database: Database, since: datetime) -> list[str]:
    """The provider's references of some payments that it has reported on since then."""
    return [row.provider_reference for row in await database.all(_KNOWN_PAYMENTS, {"since": since})]


async def hold(database: Database, reason: Reason, detail: str) -> bool:
    """Have payments wait; returns whether they did not wait before."""
    return await database.one(_HOLD, {"reason": reason, "detail": detail}) is not None


async def held(database: Database) -> HoldRequest | None:
    """Why payments wait; None when they are taken."""
    row = await database.one(_HELD, {})
    return HoldRequest(Reason(row.reason), row.detail) if row else None


async def release(database: Database) -> ReleasedHold | None:
    """Have payments taken again; returns the hold that has ended, if there was one."""
    row = await database.one(_RELEASE, {})
    return ReleasedHold(Reason(row.reason), row.since) if row else None


async def one_waiting(database: Database) -> WaitingAttempt | None:
    """One of the attempts that wait, whichever."""
    row = await database.one(_ONE_WAITING, {})
    return WaitingAttempt(row.checkout_id, row.attempt, row.how_many) if row else None


async def waiting(database: Database, after: str) -> list[str]:
    """The next checkouts that wait, by id, behind the one named ``after``."""
    return [row.checkout_id for row in await database.all(_WAITING, {"after": after})]
