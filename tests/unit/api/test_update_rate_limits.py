"""How often an action may be repeated that is refused, and how many of its updates may wait at once."""

from contextlib import AsyncExitStack

import pytest

from api.admission.update_rate_limits import (
    MOST_ACTIONS,
    MOST_AT_ONCE,
    MOST_REFUSALS,
    PAUSE_SECONDS,
    WITHIN_SECONDS,
    LimitedAction,
    UpdateRateLimiter,
)
from api.http.idempotency import UpdateKey
from api.http.problems import NO_PAYMENT_AWAITED, UNKNOWN_CHECKOUT, Problem, ProblemKind

PAY = LimitedAction("shop", "payment", "chk_1")
CANCEL = LimitedAction("shop", "cancel", "chk_1")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def attempt(
    limiter: UpdateRateLimiter, action: LimitedAction, kind: ProblemKind | None = NO_PAYMENT_AWAITED
) -> str:
    """One update, which the workflow refuses with this problem; the code of the problem, or ``done``."""
    try:
        async with limiter.limited(action, UpdateKey("payment-1")):
            if kind:
                raise Problem(kind, "refused")  # noqa: TRY301 - the update raises it
    except Problem as problem:
        return problem.kind.code
    return "done"


async def in_a_loop(limiter: UpdateRateLimiter, action: LimitedAction = PAY) -> None:
    for _ in range(MOST_REFUSALS):
        assert await attempt(limiter, action) == "no_payment_awaited"


async def test_a_client_in_a_loop_is_refused_before_temporal_is_called() -> None:
    limiter = UpdateRateLimiter(Clock())
    await in_a_loop(limiter)
    assert await attempt(limiter, PAY) == "refused_too_often"


async def test_a_loop_limits_no_other_action() -> None:
    limiter = UpdateRateLimiter(Clock())
    await in_a_loop(limiter)
    for other in (CANCEL, LimitedAction("desk", "payment", "chk_1"), LimitedAction("shop", "payment", "chk_2")):
        assert await attempt(limiter, other, None) == "done"


async def test_an_update_that_has_become_valid_succeeds_a_second_later() -> None:
    clock = Clock()
    limiter = UpdateRateLimiter(clock)
    await in_a_loop(limiter)
    for _ in range(50):  # Repeating it does not make the wait longer.
        clock.now += PAUSE_SECONDS / 50
        await attempt(limiter, PAY)
    clock.now += PAUSE_SECONDS
    assert await attempt(limiter, PAY, None) == "done"


async def test_one_update_a_second_is_let_through_and_no_more() -> None:
    clock = Clock()
    limiter = UpdateRateLimiter(clock)
    await in_a_loop(limiter)
    clock.now = 2.0
    codes = [await attempt(limiter, PAY) for _ in range(10)]
    assert codes.count("no_payment_awaited") == 1


async def test_refusals_are_forgotten() -> None:
    clock = Clock()
    limiter = UpdateRateLimiter(clock)
    await in_a_loop(limiter)
    clock.now = WITHIN_SECONDS + 1
    assert {await attempt(limiter, PAY) for _ in range(5)} == {"no_payment_awaited"}


async def test_only_refusals_are_counted() -> None:
    limiter = UpdateRateLimiter(Clock())
    for kind in (None, UNKNOWN_CHECKOUT):
        for _ in range(2 * MOST_REFUSALS):
            await attempt(limiter, PAY, kind)
    assert limiter._counters == {}


async def test_the_number_that_waits_at_once_is_limited_and_one_id_counts_once() -> None:
    limiter = UpdateRateLimiter(Clock())
    async with AsyncExitStack() as waiting:
        for n in range(MOST_AT_ONCE):
            await waiting.enter_async_context(limiter.limited(PAY, UpdateKey(f"payment-{n}")))
            await waiting.enter_async_context(limiter.limited(PAY, UpdateKey(f"payment-{n}")))
        with pytest.raises(Problem) as refused:
            async with limiter.limited(PAY, UpdateKey("payment-x")):
                pass
        assert refused.value.kind.code == "too_many_at_once"
        assert await attempt(limiter, CANCEL, None) == "done"
    assert await attempt(limiter, PAY, None) == "done"


async def test_the_number_of_remembered_actions_is_bounded() -> None:
    limiter = UpdateRateLimiter(Clock())
    for n in range(MOST_ACTIONS + 10):
        await attempt(limiter, LimitedAction("shop", "payment", f"chk_{n}"))
    assert len(limiter._counters) == MOST_ACTIONS
