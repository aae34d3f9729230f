"""How long a look may take, whatever the client of Temporal does meanwhile."""

import asyncio
import time
from typing import Any, cast

import pytest
from temporalio.client import WorkflowExecutionDescription

from api.temporal import snapshots
from api.temporal.snapshots import CheckoutHandle, last_known
from checkout.domain.messages import CheckoutRequest
from checkout.domain.view import CheckoutView, view_at_start

KNOWN = view_at_start(CheckoutRequest("chk_1", "cus_1", None, "EUR", (), "pm_card_visa", None, "2026-01-01T00:00:00Z"))


class Insistent:
    """A handle whose every query is tried again and again by the client, past the time-out of one try."""

    id = "chk_1"

    async def query(self, *_: Any, **__: Any) -> CheckoutView:
        await asyncio.Event().wait()
        raise AssertionError("it never ends")


async def test_a_query_that_is_tried_again_is_not_waited_for_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stale_view(*_: Any) -> CheckoutView:
        return KNOWN

    monkeypatch.setattr(snapshots, "QUERY_SECONDS", 0.05)
    monkeypatch.setattr(snapshots, "_stale_view", stale_view)
    begun = time.monotonic()
    snapshot = await last_known(cast(CheckoutHandle, Insistent()), cast(WorkflowExecutionDescription, None))
    assert (snapshot.view, snapshot.is_stale) == (KNOWN, True)
    assert time.monotonic() - begun < 5
