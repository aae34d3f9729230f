"""Each do and undo against a real PostgreSQL: once, twice, late, at once, and after its undo."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from activities.orders import OrderActivities
from activities.payment_truth import PaymentTruthActivities
from activities.payments import PaymentActivities
from activities.stock import StockActivities
from checkout.db.session import Database
from checkout.domain.errors import Contradicted, InvariantBroken, OutcomeUnknown, ProviderRefusedCall, TooLate
from checkout.domain.requests import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    Line,
    PaymentInQuestion,
    ReserveStock,
    Resolution,
    Undo,
)
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason, RefundStatus
from checkout.payments.gateway import Charge
from tests.fakes import ScriptedGateway

Stock = Callable[[dict[str, tuple[int, str, int]]], Awaitable[None]]
CANCEL = Reason.CANCELLED_BY_CUSTOMER


@dataclasses.dataclass
class Shop:
    """The activities of one checkout `chk_1`, two white mugs for EUR 25.80, run as a worker would."""

    stock: StockActivities
    orders: OrderActivities
    payments: PaymentActivities
    truth: PaymentTruthActivities
    gateway: ScriptedGateway
    database: Database

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

    async def value(self, statement: str) -> Any:
        row = await self.database.one(text(statement), {})
        return row[0] if row else None

    async def shelf(self, sku: str = "MUG") -> tuple[int, int]:
        row = await self.database.one(text("SELECT on_hand, reserved FROM products WHERE sku = :sku"), {"sku": sku})
        assert row is not None
        return row.on_hand, row.reserved


@pytest.fixture
async def shop(engine: AsyncEngine, stock: Stock) -> Shop:
    await stock({"MUG": (1290, "EUR", 7), "PEN": (250, "EUR", 100), "YEN": (500, "JPY", 5), "FREE": (0, "EUR", 9)})
    database, gateway = Database(engine), ScriptedGateway()
    payments = PaymentActivities(database, gateway)
    truth = PaymentTruthActivities(database, gateway)
    return Shop(StockActivities(database), OrderActivities(database), payments, truth, gateway, database)


async def test_a_checkout_sells_what_it_held(shop: Shop) -> None:
    assert await shop.reserve() == await shop.reserve()
    assert await shop.shelf() == (7, 2)
    order = await shop.order(expected=2580)
    assert order.total_minor == 2580
    assert await shop.order(expected=2580) == order
    assert (await shop.charge()).status == PaymentStatus.CAPTURED
    assert (await shop.charge()).status == PaymentStatus.CAPTURED
    assert len(shop.gateway.charged) == 1
    await shop.confirm()
    await shop.confirm()
    assert await shop.shelf() == (5, 0)
    assert await shop.value("SELECT received FROM products WHERE sku = 'MUG'") == 7


@pytest.mark.parametrize(
    ("lines", "currency", "refusal", "sku"),
    [
        ((Line("MUG", 1), Line("NONE", 1)), "EUR", Reason.UNKNOWN_SKU, "NONE"),
        ((Line("MUG", 1), Line("YEN", 1)), "EUR", Reason.CURRENCY_MISMATCH, "YEN"),
        ((Line("MUG", 1), Line("PEN", 101)), "EUR", Reason.OUT_OF_STOCK, "PEN"),
    ],
)
async def test_one_bad_line_holds_nothing(
    shop: Shop, lines: tuple[Line, ...], currency: str, refusal: Reason, sku: str
) -> None:
    answer = await shop.reserve(lines=lines, currency=currency)
    assert (answer.refusal, answer.sku) == (refusal, sku)
    assert await shop.value("SELECT sum(reserved) FROM products") == 0
    again = await shop.reserve(lines=lines, currency=currency)
    assert (again.refusal, again.ended) == (refusal, None)


async def test_forty_buyers_of_seven_units_hold_seven(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.reserve(f"chk_{n}", (Line("MUG", 1),)) for n in range(40)))
    assert [a.refusal for a in answers].count(None) == 7
    assert await shop.shelf() == (7, 7)


async def test_the_same_step_at_once_is_done_once(shop: Shop) -> None:
    await asyncio.gather(*(shop.reserve() for _ in range(8)))
    assert await shop.shelf() == (7, 2)
    orders = await asyncio.gather(*(shop.order() for _ in range(8)))
    assert len({order.order_number for order in orders}) == 1
    await asyncio.gather(*(shop.charge() for _ in range(8)))
    assert {attempt.idempotency_key for attempt in shop.gateway.charged} == {"chk_1-1"}
    await asyncio.gather(*(shop.confirm() for _ in range(8)))
    assert await shop.shelf() == (5, 0)


async def test_carts_in_opposite_order_never_wait_for_each_other(shop: Shop) -> None:
    there, back = (Line("MUG", 1), Line("PEN", 1)), (Line("PEN", 1), Line("MUG", 1))

    async def round_trip(n: int) -> None:
        await shop.reserve(f"chk_{n}", there if n % 2 else back)
        await shop.release(f"chk_{n}")

    await asyncio.gather(*(round_trip(n) for n in range(60)))
    assert await shop.value("SELECT sum(reserved) FROM products") == 0


async def test_a_do_after_its_undo_does_nothing(shop: Shop) -> None:
    await shop.release("chk_1")
    assert (await shop.reserve("chk_1")).ended.status == CheckoutStatus.CANCELLED
    assert await shop.shelf() == (7, 0)

    await shop.reserve("chk_2")
    await shop.cancel("chk_2")
    with pytest.raises(TooLate):
        await shop.order("chk_2")

    await shop.reserve("chk_3")
    await shop.order("chk_3")
    await shop.refund("chk_3")
    with pytest.raises(TooLate):
        await shop.charge("chk_3")
    with pytest.raises(TooLate):
        await shop.confirm("chk_3")
    assert shop.gateway.charged == []


async def test_a_reserve_that_races_its_release_leaves_nothing_held(shop: Shop) -> None:
    for n in range(30):
        name = f"chk_{n}"
        await asyncio.gather(shop.reserve(name), shop.release(name), return_exceptions=True)
        await shop.release(name)
    assert await shop.shelf() == (7, 0)


async def test_an_order_that_races_its_cancelling_is_cancelled(shop: Shop) -> None:
    for n in range(3):
        name = f"chk_{n}"
        await shop.reserve(name)
        await asyncio.gather(shop.order(name), shop.cancel(name), return_exceptions=True)
        await shop.release(name)
    assert await shop.value("SELECT count(*) FROM orders WHERE status <> 'cancelled'") == 0
    assert await shop.shelf() == (7, 0)


async def test_undoing_twice_is_undoing_once(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    await shop.charge()
    for undo in (shop.refund, shop.refund, shop.cancel, shop.cancel, shop.release, shop.release):
        await undo()
    assert shop.gateway.refunded == [2580]
    assert await shop.shelf() == (7, 0)
    assert await shop.value("SELECT status FROM payments") == "refunded"
    assert await shop.value("SELECT status FROM checkouts") == "cancelled"


async def test_a_confirmed_checkout_cannot_be_undone(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    await shop.charge()
    await shop.confirm()
    for undo in (shop.refund, shop.cancel, shop.release):
        with pytest.raises(InvariantBroken):
            await undo()
    assert shop.gateway.refunded == []
    assert await shop.shelf() == (5, 0)


async def test_prices_are_the_catalogues_and_a_changed_total_is_refused(shop: Shop) -> None:
    await shop.reserve()
    assert (await shop.order(expected=2579)).refusal == Reason.PRICE_CHANGED
    assert await shop.value("SELECT count(*) FROM orders") == 0


async def test_a_total_too_large_is_refused(shop: Shop, stock: Stock) -> None:
    await stock({"GOLD": (999_999_999_999, "EUR", 10_000_000)})
    await shop.reserve(lines=(Line("GOLD", 10_000_000),))
    assert (await shop.order()).refusal == Reason.TOTAL_TOO_LARGE


async def test_a_cart_is_ordered_once(shop: Shop) -> None:
    for n in range(2):
        await shop.reserve(f"chk_{n}", cart="cart_1")
    answers = await asyncio.gather(shop.order("chk_0"), shop.order("chk_1"))
    assert sorted(str(answer.refusal) for answer in answers) == ["None", "cart_already_ordered"]


async def test_a_cart_can_be_ordered_again_after_its_order_was_cancelled(shop: Shop) -> None:
    await shop.reserve("chk_0", cart="cart_1")
    await shop.order("chk_0")
    await shop.cancel("chk_0")
    await shop.reserve("chk_1", cart="cart_1")
    assert (await shop.order("chk_1")).refusal is None


async def test_the_attempt_is_committed_before_the_provider_is_asked(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await shop.charge()
    assert await shop.value("SELECT status || idempotency_key FROM payments") == "unknownchk_1-1"
    shop.gateway.find_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await shop.charge()).status == PaymentStatus.CAPTURED


async def test_an_unknown_charge_is_voided_or_given_back(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await shop.charge()
    shop.gateway.void_answer = OutcomeUnknown("still dead")
    with pytest.raises(OutcomeUnknown):
        await shop.refund()
    shop.gateway.void_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await shop.refund()).status == PaymentStatus.REFUNDED
    assert shop.gateway.refunded == [2580]


async def test_a_charge_that_never_arrived_is_voided(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await shop.charge()
    assert (await shop.refund()).status == PaymentStatus.VOIDED


async def test_a_pending_payment_is_looked_at_again(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = Charge(PaymentStatus.PENDING, "pi_1", 0, "EUR")
    assert (await shop.charge()).status == PaymentStatus.PENDING
    shop.gateway.find_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    assert (await shop.look_up()).status == PaymentStatus.CAPTURED
    assert (await shop.look_up()).status == PaymentStatus.CAPTURED
    assert await shop.value("SELECT captured_minor FROM payments") == 2580


@pytest.mark.parametrize("taken", [(1, "EUR"), (2580, "USD")])
async def test_another_amount_is_given_back_as_it_was_taken(shop: Shop, taken: tuple[int, str]) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = Charge(PaymentStatus.CAPTURED, "pi_1", *taken)
    assert (await shop.charge()).refusal == Reason.AMOUNT_MISMATCH
    with pytest.raises(InvariantBroken):
        await shop.confirm()
    await shop.refund()
    assert shop.gateway.refunded == [taken[0]]


async def test_a_refund_is_tried_on_until_it_succeeds(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    await shop.charge()
    shop.gateway.refund_status = RefundStatus.PENDING
    with pytest.raises(Exception, match="pending"):
        await shop.refund()
    assert await shop.value("SELECT status FROM payments") == "refunding"
    with pytest.raises(InvariantBroken):
        await shop.cancel()
    shop.gateway.refund_status = RefundStatus.SUCCEEDED
    assert (await shop.refund()).status == PaymentStatus.REFUNDED
    await shop.cancel()
    await shop.release()


async def test_a_declined_payment_leaves_nothing_to_give_back(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", decline_code="insufficient_funds")
    answer = await shop.charge()
    assert (answer.status, answer.decline_code) == (PaymentStatus.DECLINED, "insufficient_funds")
    assert (await shop.refund()).status == PaymentStatus.DECLINED


async def test_nothing_is_confirmed_without_its_money(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    with pytest.raises(InvariantBroken):
        await shop.confirm()
    assert await shop.shelf() == (7, 2)


async def test_an_order_of_nothing_needs_no_payment(shop: Shop) -> None:
    await shop.reserve(lines=(Line("FREE", 1),))
    assert (await shop.order()).total_minor == 0
    await shop.confirm()
    assert await shop.shelf("FREE") == (8, 0)


async def test_every_change_is_in_the_audit_log(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    await shop.charge()
    await shop.refund()
    await shop.cancel()
    await shop.release()
    rows = await shop.database.all(text("SELECT entity, before, after, actor, reason FROM audit_log ORDER BY id"), {})
    assert [(row.entity, row.before, row.after) for row in rows] == [
        ("checkout", None, "processing"),
        ("reservation", None, "held"),
        ("order", None, "pending"),
        ("payment", None, "processing"),
        ("payment", "processing", "captured"),
        ("checkout", "processing", "compensating"),
        ("payment", "captured", "refunding"),
        ("refund", None, "pending"),
        ("refund", "pending", "succeeded"),
        ("payment", "refunding", "refunded"),
        ("order", "pending", "cancelled"),
        ("reservation", "held", "released"),
        ("checkout", "compensating", "cancelled"),
    ]
    assert {(row.actor, row.reason) for row in rows[5:]} == {("customer", CANCEL)}


async def _in_doubt(shop: Shop) -> None:
    """A charge of which nobody knows."""
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = OutcomeUnknown("the line went dead")
    with pytest.raises(OutcomeUnknown):
        await shop.charge()


async def test_a_declined_customer_pays_on_the_same_intent(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    shop.gateway.charge_answer = Charge(
        PaymentStatus.DECLINED, "pi_1", 0, "EUR", "generic_decline", latest_charge="ch_1"
    )
    await shop.charge()
    shop.gateway.charge_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR", latest_charge="ch_2")
    assert (await shop.charge(attempt=2)).status == PaymentStatus.CAPTURED
    first, second = shop.gateway.charged
    assert (first.provider_reference, first.idempotency_key) == (None, "chk_1-1")
    assert (second.provider_reference, second.idempotency_key, second.previous_charge) == ("pi_1", "chk_1-2", "ch_1")


async def test_a_decline_of_the_first_try_says_nothing_of_the_second(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    declined = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "generic_decline", latest_charge="ch_1")
    shop.gateway.charge_answer = declined
    await shop.charge()
    shop.gateway.charge_answer, shop.gateway.find_answer = OutcomeUnknown("the line went dead"), declined
    with pytest.raises(OutcomeUnknown):
        await shop.charge(attempt=2)
    assert await shop.value("SELECT status FROM payments WHERE attempt = 2") == "unknown"


async def test_while_one_try_is_open_there_is_no_other(shop: Shop) -> None:
    await _in_doubt(shop)
    with pytest.raises(InvariantBroken):
        await shop.charge(attempt=2)
    assert len(shop.gateway.charged) == 1


async def test_after_a_void_the_next_try_takes_a_new_intent(shop: Shop) -> None:
    await _in_doubt(shop)
    assert (await shop.settle()).status == PaymentStatus.VOIDED
    shop.gateway.charge_answer = Charge(PaymentStatus.CAPTURED, "pi_2", 2580, "EUR")
    assert (await shop.charge(attempt=2)).status == PaymentStatus.CAPTURED
    assert shop.gateway.charged[-1].provider_reference is None


@pytest.mark.parametrize("found", [None, Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR")])
async def test_a_capture_that_the_provider_denies_is_not_believed(shop: Shop, found: Charge | None) -> None:
    await _in_doubt(shop)
    shop.gateway.find_answer = found
    with pytest.raises(Contradicted):
        await shop.resolve(PaymentStatus.CAPTURED, "pi_1")


async def test_a_capture_of_another_checkout_is_not_believed(shop: Shop) -> None:
    await _in_doubt(shop)
    shop.gateway.find_answer = ProviderRefusedCall("not an intent of chk_1")
    with pytest.raises(Contradicted):
        await shop.resolve(PaymentStatus.CAPTURED, "pi_other")


async def test_not_charged_is_not_believed_when_it_was(shop: Shop) -> None:
    await _in_doubt(shop)
    shop.gateway.void_answer = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    with pytest.raises(Contradicted):
        await shop.resolve(PaymentStatus.VOIDED)
    assert (await shop.look_up()).status == PaymentStatus.CAPTURED


async def test_a_person_is_believed_while_the_provider_is_silent(shop: Shop) -> None:
    await _in_doubt(shop)
    shop.gateway.find_answer = OutcomeUnknown("away")
    with pytest.raises(Contradicted, match="reference"):
        await shop.resolve(PaymentStatus.CAPTURED)
    answer = await shop.resolve(PaymentStatus.CAPTURED, "pi_1")
    assert (answer.status, answer.verified) == (PaymentStatus.CAPTURED, False)
    assert await shop.value("SELECT actor || ': ' || reason FROM payments") == "support:desk: the bank says so"
    await shop.confirm()


async def test_many_articles_in_any_order_never_deadlock(shop: Shop, engine: AsyncEngine, stock: Stock) -> None:
    """What a retry would hide is counted by the server itself."""
    skus = [f"S{n}" for n in range(5)]
    await stock(dict.fromkeys(skus, (0, "EUR", 1000)))
    # No more at once than there are connections: whoever waits for one is not in a deadlock, and is sent away in time.
    connections = asyncio.Semaphore(20)

    async def buy(n: int) -> None:
        lines = tuple(Line(sku, 1) for sku in (skus if n % 2 else reversed(skus)))
        async with connections:
            await shop.reserve(f"chk_{n}", lines)
            await shop.order(f"chk_{n}")
            await (shop.confirm(f"chk_{n}") if n % 3 else shop.release_after_order(f"chk_{n}"))

    await asyncio.gather(*(buy(n) for n in range(200)))
    assert await shop.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert await shop.value("SELECT sum(reserved) FROM products") == 0


async def test_an_order_that_was_written_counts_though_the_price_has_changed(shop: Shop) -> None:
    await shop.reserve()
    order = await shop.order(expected=2580)
    await shop.database.run(text("UPDATE products SET price_minor = 1 WHERE sku = 'MUG'"), {})
    assert await shop.order(expected=2580) == order


async def test_a_decline_without_a_charge_says_nothing_of_the_next_try(shop: Shop) -> None:
    await shop.reserve()
    await shop.order()
    declined = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "authentication_failed")
    shop.gateway.charge_answer = declined
    await shop.charge()
    shop.gateway.charge_answer, shop.gateway.find_answer = OutcomeUnknown("the line went dead"), declined
    with pytest.raises(OutcomeUnknown):
        await shop.charge(attempt=2)
