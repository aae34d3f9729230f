"""How every undo begins."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from checkout.db import checkouts
from checkout.domain.errors import InvariantBroken
from checkout.domain.messages import Undo
from checkout.domain.states import CheckoutStatus


async def start_undo(connection: AsyncConnection, undo: Undo) -> dict[str, Any]:
    """Lock the checkout, have it undone if it may still be bought, and answer the parameters of what follows.

    Raises:
        InvariantBroken: the checkout is confirmed, and stays so.
    """
    parameters = {"checkout_id": undo.checkout_id, "reason": undo.reason, "actor": undo.actor}
    await connection.execute(checkouts.START_COMPENSATING, parameters)
    status = (await connection.execute(checkouts.STATUS, parameters)).scalar_one()
    if status == CheckoutStatus.CONFIRMED:
        raise InvariantBroken(f"checkout {undo.checkout_id} is confirmed, and nothing of it can be undone")
    return parameters
