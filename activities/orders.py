"""Writing the order, confirming it, and cancelling it."""

import secrets

from temporalio import activity

from activities.compensation import start_undo
from checkout.db import checkouts, orders, stock
from checkout.db.session import Database
from checkout.domain.errors import TooLate
from checkout.domain.messages import ConfirmOrder, CreateOrder, OrderResult, PricedLine, Undo
from checkout.domain.money import MAX_AMOUNT_MINOR
from checkout.domain.states import CheckoutStatus, OrderStatus, Reason

#: Crockford's Base32 (https://www.crockford.com/base32.html): no I, L, O or U, so nothing is misheard or misread.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_order_number() -> str:
    """Eight random symbols as ``K7QM-3XTD``: 40 bits, so no number tells anything of the next."""
    symbols = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return f"{symbols[:4]}-{symbols[4:]}"


class OrderActivities:
    """`create_order` and its undo `cancel_order`; `confirm_order`, after which nothing is undone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def create_order(self, request: CreateOrder) -> OrderResult:
        """Write the order at the catalogue's prices of this moment, or say why not.

        Raises:
            TooLate: the checkout is being undone.
        """
        while True:
            row = await self._database.one(
                orders.CREATE,
                {
                    "checkout_id": request.checkout_id,
                    "order_number": new_order_number(),
                    "expected_total_minor": request.expected_total_minor,
                    "max_total_minor": MAX_AMOUNT_MINOR,
                },
            )
            if row and row.order_number:
                return _answer(row.order_number, row.total_minor, row.lines)
            # An order that an earlier run wrote counts, whatever has become of the prices since.
            if answer := await self._order_in_the_way(request.checkout_id):
                return answer
            if row and row.refusal:
                return OrderResult(refusal=Reason(row.refusal))
            # What stood in the way was a number taken by chance, or a cart's order that was cancelled since.

    async def _order_in_the_way(self, checkout_id: str) -> OrderResult | None:
        found = await self._database.one(orders.EXISTING, {"checkout_id": checkout_id})
        if found and found.order_number and found.status != OrderStatus.CANCELLED:
            return _answer(found.order_number, found.total_minor, found.lines)
        if found and found.cart_is_ordered:
            return OrderResult(refusal=Reason.CART_ALREADY_ORDERED)
        status = await self._database.one(checkouts.STATUS, {"checkout_id": checkout_id})
        if status is None or not CheckoutStatus(status.status).is_open:
            raise TooLate(f"checkout {checkout_id} is not open")
        return None

    @activity.defn
    async def cancel_order(self, undo: Undo) -> None:
        """Cancel the order if there is one; a `create_order` that comes later does nothing.

        Raises:
            InvariantBroken: the order is confirmed, and stays so.
        """
        async with self._database.transaction() as connection:
            await connection.execute(orders.CANCEL, await start_undo(connection, undo))

    @activity.defn
    async def confirm_order(self, request: ConfirmOrder) -> None:
        """Confirm the order and sell what is held. PostgreSQL refuses it unless the payment fits to the cent.

        Raises:
            TooLate: the checkout is being undone.
        """
        parameters = {"checkout_id": request.checkout_id}
        if await self._database.locked(stock.LOCK_MINE, orders.CONFIRM, parameters):
            return
        status = await self._database.one(checkouts.STATUS, parameters)
        if status is None or status.status != CheckoutStatus.CONFIRMED:
            raise TooLate(f"checkout {request.checkout_id} is not open")


def _answer(order_number: str, total_minor: int, lines: list[dict[str, object]]) -> OrderResult:
    return OrderResult(
        order_number=order_number,
        total_minor=total_minor,
        lines=tuple(PricedLine(**line) for line in lines),  # type: ignore[arg-type]  # JSON that our own SQL made
    )
