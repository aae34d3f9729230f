"""The steps on stock and order against a real PostgreSQL: once, twice, late, at once, and after their undo."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from checkout.domain.errors import InvariantBroken, TooLate
from checkout.domain.messages import Line
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from tests.support.checkout_steps import CANCEL, CheckoutSteps
from tests.support.stock import Stock


async def test_a_checkout_sells_what_it_held(steps: CheckoutSteps) -> None:
    assert await steps.reserve() == await steps.reserve()
    assert await steps.shelf() == (7, 2)
    order = await steps.order(expected=2580)
    assert order.total_minor == 2580
    assert await steps.order(expected=2580) == order
    assert (await steps.charge()).status == PaymentStatus.CAPTURED
    assert (await steps.charge()).status == PaymentStatus.CAPTURED
    assert len(steps.gateway.charged) == 1
    await steps.confirm()
    await steps.confirm()
    assert await steps.shelf() == (5, 0)
    assert await steps.value("SELECT received FROM products WHERE sku = 'MUG'") == 7


@pytest.mark.parametrize(
    ("lines", "currency", "refusal", "sku"),
    [
        ((Line("MUG", 1), Line("NONE", 1)), "EUR", Reason.UNKNOWN_SKU, "NONE"),
        ((Line("MUG", 1), Line("YEN", 1)), "EUR", Reason.CURRENCY_MISMATCH, "YEN"),
        ((Line("MUG", 1), Line("PEN", 101)), "EUR", Reason.OUT_OF_STOCK, "PEN"),
    ],
)
async def test_one_bad_line_holds_nothing(
    steps: CheckoutSteps, lines: tuple[Line, ...], currency: str, refusal: Reason, sku: str
) -> None:
    answer = await steps.reserve(lines=lines, currency=currency)
    assert (answer.refusal, answer.sku) == (refusal, sku)
    assert await steps.value("SELECT sum(reserved) FROM products") == 0
    again = await steps.reserve(lines=lines, currency=currency)
    assert (again.refusal, again.ended) == (refusal, None)


async def test_forty_buyers_of_seven_units_hold_seven(steps: CheckoutSteps) -> None:
    answers = await asyncio.gather(*(steps.reserve(f"chk_{n}", (Line("MUG", 1),)) for n in range(40)))
    assert [a.refusal for a in answers].count(None) == 7
    assert await steps.shelf() == (7, 7)


async def test_the_same_step_at_once_is_done_once(steps: CheckoutSteps) -> None:
    await asyncio.gather(*(steps.reserve() for _ in range(8)))
    assert await steps.shelf() == (7, 2)
    orders = await asyncio.gather(*(steps.order() for _ in range(8)))
    assert len({order.order_number for order in orders}) == 1
    await asyncio.gather(*(steps.charge() for _ in range(8)))
    assert {attempt.idempotency_key for attempt in steps.gateway.charged} == {"chk_1-1"}
    await asyncio.gather(*(steps.confirm() for _ in range(8)))
    assert await steps.shelf() == (5, 0)


async def test_carts_in_opposite_order_never_wait_for_each_other(steps: CheckoutSteps) -> None:
    there, back = (Line("MUG", 1), Line("PEN", 1)), (Line("PEN", 1), Line("MUG", 1))

    async def round_trip(n: int) -> None:
        await steps.reserve(f"chk_{n}", there if n % 2 else back)
        await steps.release(f"chk_{n}")

    await asyncio.gather(*(round_trip(n) for n in range(60)))
    assert await steps.value("SELECT sum(reserved) FROM products") == 0


async def test_a_do_after_its_undo_does_nothing(steps: CheckoutSteps) -> None:
    await steps.release("chk_1")
    assert (await steps.reserve("chk_1")).ended.status == CheckoutStatus.CANCELLED
    assert await steps.shelf() == (7, 0)

    await steps.reserve("chk_2")
    await steps.cancel("chk_2")
    with pytest.raises(TooLate):
        await steps.order("chk_2")

    await steps.reserve("chk_3")
    await steps.order("chk_3")
    await steps.refund("chk_3")
    with pytest.raises(TooLate):
        await steps.charge("chk_3")
    with pytest.raises(TooLate):
        await steps.confirm("chk_3")
    assert steps.gateway.charged == []


async def test_a_reserve_that_races_its_release_leaves_nothing_held(steps: CheckoutSteps) -> None:
    for n in range(30):
        name = f"chk_{n}"
        await asyncio.gather(steps.reserve(name), steps.release(name), return_exceptions=True)
        await steps.release(name)
    assert await steps.shelf() == (7, 0)


async def test_an_order_that_races_its_cancelling_is_cancelled(steps: CheckoutSteps) -> None:
    for n in range(3):
        name = f"chk_{n}"
        await steps.reserve(name)
        await asyncio.gather(steps.order(name), steps.cancel(name), return_exceptions=True)
        await steps.release(name)
    assert await steps.value("SELECT count(*) FROM orders WHERE status <> 'cancelled'") == 0
    assert await steps.shelf() == (7, 0)


async def test_undoing_twice_is_undoing_once(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    await steps.charge()
    for undo in (steps.refund, steps.refund, steps.cancel, steps.cancel, steps.release, steps.release):
        await undo()
    assert steps.gateway.refunded == [2580]
    assert await steps.shelf() == (7, 0)
    assert await steps.value("SELECT status FROM payments") == "refunded"
    assert await steps.value("SELECT status FROM checkouts") == "cancelled"


async def test_a_confirmed_checkout_cannot_be_undone(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    await steps.charge()
    await steps.confirm()
    for undo in (steps.refund, steps.cancel, steps.release):
        with pytest.raises(InvariantBroken):
            await undo()
    assert steps.gateway.refunded == []
    assert await steps.shelf() == (5, 0)


async def test_prices_are_the_catalogues_and_a_changed_total_is_refused(steps: CheckoutSteps) -> None:
    await steps.reserve()
    assert (await steps.order(expected=2579)).refusal == Reason.PRICE_CHANGED
    assert await steps.value("SELECT count(*) FROM orders") == 0


async def test_a_total_too_large_is_refused(steps: CheckoutSteps, stock: Stock) -> None:
    await stock({"GOLD": (999_999_999_999, "EUR", 10_000_000)})
    await steps.reserve(lines=(Line("GOLD", 10_000_000),))
    assert (await steps.order()).refusal == Reason.TOTAL_TOO_LARGE


async def test_a_cart_is_ordered_once(steps: CheckoutSteps) -> None:
    for n in range(2):
        await steps.reserve(f"chk_{n}", cart="cart_1")
    answers = await asyncio.gather(steps.order("chk_0"), steps.order("chk_1"))
    assert sorted(str(answer.refusal) for answer in answers) == ["None", "cart_already_ordered"]


async def test_a_cart_can_be_ordered_again_after_its_order_was_cancelled(steps: CheckoutSteps) -> None:
    await steps.reserve("chk_0", cart="cart_1")
    await steps.order("chk_0")
    await steps.cancel("chk_0")
    await steps.reserve("chk_1", cart="cart_1")
    assert (await steps.order("chk_1")).refusal is None


async def test_nothing_is_confirmed_without_its_money(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    with pytest.raises(InvariantBroken):
        await steps.confirm()
    assert await steps.shelf() == (7, 2)


async def test_an_order_of_nothing_needs_no_payment(steps: CheckoutSteps) -> None:
    await steps.reserve(lines=(Line("FREE", 1),))
    assert (await steps.order()).total_minor == 0
    await steps.confirm()
    assert await steps.shelf("FREE") == (8, 0)


async def test_every_change_is_in_the_audit_log(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    await steps.charge()
    await steps.refund()
    await steps.cancel()
    await steps.release()
    rows = await steps.rows("SELECT entity, before, after, actor, reason FROM audit_log ORDER BY id")
    assert [(row["entity"], row["before"], row["after"]) for row in rows] == [
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
    assert {(row["actor"], row["reason"]) for row in rows[5:]} == {("customer", CANCEL)}


async def test_many_articles_in_any_order_never_deadlock(
    steps: CheckoutSteps, engine: AsyncEngine, stock: Stock
) -> None:
    """What a retry would hide is counted by the server itself."""
    skus = [f"S{n}" for n in range(5)]
    await stock(dict.fromkeys(skus, (0, "EUR", 1000)))
    # No more at once than there are connections: whoever waits for one is not in a deadlock, and is sent away in time.
    connections = asyncio.Semaphore(20)

    async def buy(n: int) -> None:
        lines = tuple(Line(sku, 1) for sku in (skus if n % 2 else reversed(skus)))
        async with connections:
            await steps.reserve(f"chk_{n}", lines)
            await steps.order(f"chk_{n}")
            await (steps.confirm(f"chk_{n}") if n % 3 else steps.release_after_order(f"chk_{n}"))

    await asyncio.gather(*(buy(n) for n in range(200)))
    assert await steps.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert await steps.value("SELECT sum(reserved) FROM products") == 0


async def test_an_order_that_was_written_counts_though_the_price_has_changed(steps: CheckoutSteps) -> None:
    await steps.reserve()
    order = await steps.order(expected=2580)
    await steps.tamper("UPDATE products SET price_minor = 1 WHERE sku = 'MUG'")
    assert await steps.order(expected=2580) == order
