"""Holding stock, and giving it back."""

from temporalio import activity

from activities.compensation import start_undo
from checkout.db import checkouts, stock
from checkout.db.session import Database
from checkout.domain.errors import InvariantBroken, TooLate
from checkout.domain.messages import PricedLine, RecordedEnding, ReservationResult, ReserveStock, Undo
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason


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
        row = await self._database.locked(
            stock.LOCK,
            stock.RESERVE,
            {
                "checkout_id": request.checkout_id,
                "customer_id": request.customer_id,
                "cart_id": request.cart_id,
                "currency": request.currency,
                "skus": [line.sku for line in request.lines],
                "quantities": [line.quantity for line in request.lines],
            },
        )
        if row is None:
            return await self._reserved_before(request.checkout_id)
        return ReservationResult(refusal=Reason(row.refusal), sku=row.sku) if row.refusal else ReservationResult()

    async def _reserved_before(self, checkout_id: str) -> ReservationResult:
        recorded = await self._database.one(checkouts.RECORDED, {"checkout_id": checkout_id})
        if recorded is None:
            raise InvariantBroken(f"checkout {checkout_id} is there and is not there")
        status = CheckoutStatus(recorded.status)
        if status.is_open:
            return ReservationResult()
        if not status.is_final:
            raise TooLate(f"checkout {checkout_id} is being undone")
        if status == CheckoutStatus.REJECTED:
            return ReservationResult(refusal=Reason(recorded.reason))
        return ReservationResult(
            ended=RecordedEnding(
                status=status,
                reason=Reason(recorded.reason) if recorded.reason else None,
                order_number=recorded.order_number,
                total_minor=recorded.total_minor,
                lines=tuple(PricedLine(**line) for line in recorded.lines or ()),
                payment_status=PaymentStatus(recorded.payment_status or PaymentStatus.NONE),
                attempts=recorded.attempts,
                decline_code=recorded.decline_code,
            )
        )

    @activity.defn
    async def release_stock(self, undo: Undo) -> RecordedEnding:
        """Give back whatever is held, and close the checkout; a `reserve_stock` that comes later does nothing.

        Answers how the checkout ended, which is not as the undo wants it where `reserve_stock` had rejected it before.

        Raises:
            InvariantBroken: the checkout is confirmed, and stays so.
        """
        async with self._database.transaction() as connection:
            parameters = await start_undo(connection, undo)
            await connection.execute(stock.LOCK_MINE, parameters)
            await connection.execute(stock.RELEASE, parameters)
            await connection.execute(checkouts.CLOSE, parameters | {"ending": undo.reason.ending})
            ended = (await connection.execute(checkouts.STATUS, parameters)).one()
        return RecordedEnding(CheckoutStatus(ended.status), Reason(ended.reason))
