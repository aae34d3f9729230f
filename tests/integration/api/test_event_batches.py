"""The provider's events on their way to Temporal: alone at once, together when they come together."""

import asyncio

import pytest
from temporalio.client import Client

from api.http.problems import TEMPORAL_UNAVAILABLE, Problem
from api.webhooks import event_batches
from api.webhooks.event_batches import EventBatches
from checkout.domain.events import PaymentEvent


def event(name: str) -> PaymentEvent:
    return PaymentEvent(name, "payment_intent.succeeded", "pi_1", None, 1763890200)


@pytest.fixture(autouse=True)
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not come alone waits for a second one, however long that takes."""
    monkeypatch.setattr(event_batches, "PAUSE_SECONDS", 3600)
    monkeypatch.setattr(event_batches, "MOST_TOGETHER", 2)


async def summaries(client: Client) -> set[str]:
    """Those of two workflows, as soon as the list has both."""
    while len(found := [client.get_workflow_handle(each.id) async for each in client.list_workflows()]) < 2:
        pass
    return {str(await (await handle.describe()).static_summary()) for handle in found}


async def test_one_goes_at_once_and_those_right_after_it_go_together(temporal_client: Client) -> None:
    batches = EventBatches(temporal_client)
    assert await batches.take(event("evt_1"))
    takes = [asyncio.create_task(batches.take(event(name))) for name in ("evt_2", "evt_2", "evt_3")]
    assert [await take for take in takes] == [True, False, True]
    alone = "payment_intent.succeeded of pi_1, checkout not named"
    assert await summaries(temporal_client) == {alone, "2 events: evt_2, evt_3"}


async def test_the_same_events_again_are_known(temporal_client: Client) -> None:
    async def take(*names: str) -> list[bool]:
        return await asyncio.gather(*(batches.take(event(name)) for name in names))

    for is_new in (True, False):
        batches = EventBatches(temporal_client)
        assert await take("evt_1") == [is_new]
        assert await take("evt_2", "evt_3") == [is_new] * 2
    assert await take("evt_3", "evt_2") == [False] * 2


async def test_a_sender_that_hangs_up_cancels_no_other_event(temporal_client: Client) -> None:
    batches = EventBatches(temporal_client)
    await batches.take(event("evt_1"))
    gone = asyncio.create_task(batches.take(event("evt_2")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await batches.take(event("evt_3"))
    assert "2 events: evt_2, evt_3" in await summaries(temporal_client)


async def test_a_failed_start_fails_every_event_of_the_batch() -> None:
    batches = EventBatches(await Client.connect("127.0.0.1:1", lazy=True))
    for names in (["evt_1"], ["evt_2", "evt_3"]):
        told = await asyncio.gather(*(batches.take(event(name)) for name in names), return_exceptions=True)
        assert [each.kind for each in told if isinstance(each, Problem)] == [TEMPORAL_UNAVAILABLE] * len(names)
