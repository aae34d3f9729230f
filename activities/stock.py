"""Holding stock, and giving it back."""

from temporalio import activity

from checkout.db import checkouts, stock
from checkout.db.session import Database
from checkout.domain.errors import InvariantBroken, TooLate
from checkout.domain.messages import EndedCheckout, ReservationResult, ReserveStock, Undo
from checkout.domain.states import CheckoutStatus


class StockActivities:
    """`reserve_stock` and its undo `release_stock`, which also closes the checkout: it is the last undo of all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def reserve_stock(self, request: ReserveStock) -> ReservationResult:
        """Hold all lines for the checkout, or none and say why.

        Raises:
            TooLate: the checkout was undone before it began.
        """
        reserved = await stock.reserve(self._database, request)
        return reserved or await self._reserved_before(request.checkout_id)

    async def _reserved_before(self, checkout_id: str) -> ReservationResult:
        record = await checkouts.read(self._database, checkout_id)
        if record is None:
            raise InvariantBroken(f"checkout {checkout_id} could not be written, and there is none of that id")
        if record.status.is_open:
            return ReservationResult()
        if record.ending is None:
            raise TooLate(f"checkout {checkout_id} is being undone")
        if record.status == CheckoutStatus.REJECTED:
            return ReservationResult(refusal=record.ending.reason)
        return ReservationResult(ended=record.ending)

    @activity.defn
    async def release_stock(self, undo: Undo) -> EndedCheckout:
        """Give back whatever is held, and close the checkout; a `reserve_stock` that comes later does nothing.

        Returns how the checkout ended, which is not as the undo wants it where `reserve_stock` had rejected it before.

        Raises:
            InvariantBroken: the checkout is confirmed, and stays so.
        """
        return await stock.release(self._database, undo)
