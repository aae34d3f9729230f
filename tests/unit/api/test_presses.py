"""How often a button may be pressed that is refused, and how many presses of it may wait at once."""

from contextlib import AsyncExitStack

import pytest

from api.admission.presses import (
    MOST_AT_ONCE,
    MOST_BUTTONS,
    MOST_REFUSALS,
    PAUSE_SECONDS,
    WITHIN_SECONDS,
    Button,
    Presses,
)
from api.http.idempotency import UpdateKey
from api.http.problems import NO_PAYMENT_AWAITED, UNKNOWN_CHECKOUT, Kind, Problem

PAY = Button("shop", "payment", "chk_1")
CANCEL = Button("shop", "cancel", "chk_1")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def press(presses: Presses, button: Button, kind: Kind | None = NO_PAYMENT_AWAITED) -> str:
    """UpdateKey it, with this answer of the workflow; the code of the problem, or ``done``."""
    try:
        async with presses.admitted(button, UpdateKey("payment-1")):
            if kind:
                raise Problem(kind, "refused")  # noqa: TRY301 - what is pressed raises it
    except Problem as problem:
        return problem.kind.code
    return "done"


async def in_a_loop(presses: Presses, button: Button = PAY) -> None:
    for _ in range(MOST_REFUSALS):
        assert await press(presses, button) == "no_payment_awaited"


async def test_a_loop_is_answered_without_asking() -> None:
    presses = Presses(Clock())
    await in_a_loop(presses)
    assert await press(presses, PAY) == "refused_too_often"


async def test_a_loop_holds_up_no_other_button() -> None:
    presses = Presses(Clock())
    await in_a_loop(presses)
    for other in (CANCEL, Button("desk", "payment", "chk_1"), Button("shop", "payment", "chk_2")):
        assert await press(presses, other, None) == "done"


async def test_a_press_that_has_become_right_works_a_second_later() -> None:
    clock = Clock()
    presses = Presses(clock)
    await in_a_loop(presses)
    for _ in range(50):  # Whoever goes on pressing does not make it longer.
        clock.now += PAUSE_SECONDS / 50
        await press(presses, PAY)
    clock.now += PAUSE_SECONDS
    assert await press(presses, PAY, None) == "done"


async def test_one_press_a_second_is_let_through_and_no_more() -> None:
    clock = Clock()
    presses = Presses(clock)
    await in_a_loop(presses)
    clock.now = 2.0
    answers = [await press(presses, PAY) for _ in range(10)]
    assert answers.count("no_payment_awaited") == 1


async def test_refusals_are_forgotten() -> None:
    clock = Clock()
    presses = Presses(clock)
    await in_a_loop(presses)
    clock.now = WITHIN_SECONDS + 1
    assert {await press(presses, PAY) for _ in range(5)} == {"no_payment_awaited"}


async def test_what_is_no_refusal_is_not_remembered() -> None:
    presses = Presses(Clock())
    for kind in (None, UNKNOWN_CHECKOUT):
        for _ in range(2 * MOST_REFUSALS):
            await press(presses, PAY, kind)
    assert presses._memories == {}


async def test_only_so_many_wait_at_once_and_those_of_one_id_are_one() -> None:
    presses = Presses(Clock())
    async with AsyncExitStack() as waiting:
        for n in range(MOST_AT_ONCE):
            await waiting.enter_async_context(presses.admitted(PAY, UpdateKey(f"payment-{n}")))
            await waiting.enter_async_context(presses.admitted(PAY, UpdateKey(f"payment-{n}")))
        with pytest.raises(Problem) as refused:
            async with presses.admitted(PAY, UpdateKey("payment-x")):
                pass
        assert refused.value.kind.code == "too_many_at_once"
        assert await press(presses, CANCEL, None) == "done"
    assert await press(presses, PAY, None) == "done"


async def test_what_is_remembered_is_bounded() -> None:
    presses = Presses(Clock())
    for n in range(MOST_BUTTONS + 10):
        await press(presses, Button("shop", "payment", f"chk_{n}"))
    assert len(presses._memories) == MOST_BUTTONS
