"""What the saga and a cancellation do where no workflow is needed to see it."""

import asyncio
from typing import Any, cast

import pytest

from checkout.domain.messages import ConfirmOrder, Timeouts
from workflows.activity_runner import ActivityRunner
from workflows.checkout import CONFIRM_ORDER, RESERVE_STOCK
from workflows.saga import Saga
from workflows.state.cancellation import Cancellation


async def test_a_step_that_is_not_declared_is_refused_before_it_runs() -> None:
    saga = Saga(ActivityRunner(Timeouts()), (RESERVE_STOCK,), begun=())
    with pytest.raises(ValueError, match="confirm_order is not declared"):
        await saga.run_step(CONFIRM_ORDER, ConfirmOrder("chk_1"))
    assert saga.begun == ()


async def test_a_purchase_that_is_taken_down_without_a_command_counts_as_no_cancellation() -> None:
    cancellation = Cancellation(ActivityRunner(Timeouts()), cast(Any, None))

    async def taken_down() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await cancellation.run(taken_down())
