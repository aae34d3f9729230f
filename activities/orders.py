"""Writing the order, confirming it, and cancelling it."""

import secrets

from temporalio import activity

from checkout.db import checkouts, orders
from checkout.db.session import Database
from checkout.domain.errors import TooLate
from checkout.domain.messages import ConfirmOrder, CreateOrder, OrderResult, Undo
from checkout.domain.states import CheckoutStatus
from checkout.domain.text import ORDER_NUMBER_BITS, order_number


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
            number = order_number(secrets.randbits(ORDER_NUMBER_BITS))
            created = await orders.create(self._database, request, number)
            if created and not created.refusal:
                return created
            # An order that an earlier run wrote counts, whatever has become of the prices since.
            if existing := await orders.existing(self._database, request.checkout_id):
                return existing
            await self._require_open(request.checkout_id)
            if created:
                return created
            # What stood in the way was a number taken by chance, or a cart's order that was cancelled since.

    async def _require_open(self, checkout_id: str) -> None:
        status = await checkouts.status(self._database, checkout_id)
        if status is None or not status.is_open:
            raise TooLate(f"checkout {checkout_id} is not open")

    @activity.defn
    async def cancel_order(self, undo: Undo) -> None:
        """Cancel the order if there is one; a `create_order` that comes later does nothing.

        Raises:
            InvariantBroken: the order is confirmed, and stays so.
        """
        await orders.cancel(self._database, undo)

    @activity.defn
    async def confirm_order(self, request: ConfirmOrder) -> None:
        """Confirm the order and sell what is held. PostgreSQL refuses it unless the payment fits to the cent.

        Raises:
            TooLate: the checkout is being undone.
        """
        if await orders.confirm(self._database, request.checkout_id):
            return
        if await checkouts.status(self._database, request.checkout_id) != CheckoutStatus.CONFIRMED:
            raise TooLate(f"checkout {request.checkout_id} is not open")
