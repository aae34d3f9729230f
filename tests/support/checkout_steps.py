"""The activities of one checkout, run as a worker would, on a real PostgreSQL."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from activities.orders import OrderActivities
from activities.payments.charge import PaymentActivities
from activities.payments.inquiry import PaymentInquiryActivities
from activities.stock import StockActivities
from checkout.db.session import Database
from checkout.domain.messages import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    Line,
    PaymentInQuestion,
    ReserveStock,
    Resolution,
    Undo,
)
from checkout.domain.states import PaymentStatus, Reason
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.stock import Stock
from tests.support.tables import Tables

CANCEL = Reason.CANCELLED_BY_CUSTOMER


@dataclasses.dataclass
class CheckoutSteps(Tables):
    """The activities of one checkout `chk_1`, two white mugs for EUR 25.80, run as a worker would."""

    stock: StockActivities
    orders: OrderActivities
    payments: PaymentActivities
    truth: PaymentInquiryActivities
    gateway: ScriptedGateway

    async def do(self, activity: Callable[[Any], Awaitable[Any]], argument: Any) -> Any:
        return await ActivityEnvironment().run(activity, argument)

    async def reserve(self, checkout: str = "chk_1", lines: tuple[Line, ...] = (Line("MUG", 2),), **more: Any) -> Any:
        request = ReserveStock(checkout, "cus_1", more.get("cart"), more.get("currency", "EUR"), lines)
        return await self.do(self.stock.reserve_stock, request)

    async def order(self, checkout: str = "chk_1", expected: int | None = None) -> Any:
        return await self.do(self.orders.create_order, CreateOrder(checkout, expected))

    async def charge(self, checkout: str = "chk_1", attempt: int = 1) -> Any:
        request = ChargePayment(checkout, attempt, "pm_card_visa", 2580, "EUR")
        return await self.do(self.payments.charge_payment, request)

    async def look_up(self, attempt: int = 1) -> Any:
        return await self.do(self.truth.look_up_payment, PaymentInQuestion("chk_1", attempt))

    async def settle(self, attempt: int = 1) -> Any:
        return await self.do(self.truth.settle_payment, PaymentInQuestion("chk_1", attempt, "support:desk", "stuck"))

    async def resolve(self, outcome: PaymentStatus, reference: str | None = None) -> Any:
        said = Resolution("chk_1", 1, outcome, reference, "support:desk", "the bank says so")
        return await self.do(self.truth.resolve_payment, said)

    async def confirm(self, checkout: str = "chk_1") -> Any:
        return await self.do(self.orders.confirm_order, ConfirmOrder(checkout))

    async def release(self, checkout: str = "chk_1", reason: Reason = CANCEL) -> Any:
        return await self.do(self.stock.release_stock, Undo(checkout, reason, "customer"))

    async def cancel(self, checkout: str = "chk_1") -> Any:
        return await self.do(self.orders.cancel_order, Undo(checkout, CANCEL, "customer"))

    async def release_after_order(self, checkout: str) -> None:
        await self.cancel(checkout)
        await self.release(checkout)

    async def refund(self, checkout: str = "chk_1") -> Any:
        return await self.do(self.payments.refund_payment, Undo(checkout, CANCEL, "customer"))


async def checkout_steps(engine: AsyncEngine, stock: Stock) -> CheckoutSteps:
    """The steps in a shop with seven mugs, pens, something in another currency, and something for nothing."""
    await stock({"MUG": (1290, "EUR", 7), "PEN": (250, "EUR", 100), "YEN": (500, "JPY", 5), "FREE": (0, "EUR", 9)})
    database, gateway = Database(engine), ScriptedGateway()
    payments = PaymentActivities(database, gateway)
    truth = PaymentInquiryActivities(database, gateway)
    return CheckoutSteps(engine, StockActivities(database), OrderActivities(database), payments, truth, gateway)
