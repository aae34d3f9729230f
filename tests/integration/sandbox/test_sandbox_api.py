"""The sandbox provider keeps to what Stripe documents: idempotency, states, lists, errors."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.sandbox_calls import PAID, create, error, new_key, post
from tests.support.sandbox_server import SandboxServer, sandbox_server


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("sandbox")) as server:
        yield server


@pytest.fixture
def http(sandbox: SandboxServer) -> httpx.AsyncClient:
    return sandbox.http


@pytest.fixture
async def healed(sandbox: SandboxServer) -> AsyncIterator[SandboxServer]:
    """For tests that set faults."""
    yield sandbox
    await sandbox.recover()


class TestIdempotency:
    async def test_the_first_response_is_repeated(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        first = await create(http, key)
        again = await create(http, key)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert first.headers["request-id"].startswith("req_")
        assert again.headers["request-id"] != first.headers["request-id"]

    async def test_the_order_of_the_parameters_does_not_matter(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        first = await create(http, key)
        again = await post(http, "payment_intents", key, **dict(reversed(PAID.items())))
        assert again.json() == first.json()

    async def test_other_parameters_are_an_error(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        await create(http, key)
        other = await create(http, key, amount=1)
        assert other.status_code == 400
        assert error(other)["type"] == "idempotency_error"

    async def test_another_endpoint_is_an_error(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        intent = (await create(http, key)).json()["id"]
        other = await post(http, f"payment_intents/{intent}/cancel", key)
        assert (other.status_code, error(other)["type"]) == (400, "idempotency_error")
        assert "/v1/payment_intents" in error(other)["message"]

    async def test_a_decline_is_saved(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        first = await create(http, key, payment_method="pm_card_visa_chargeDeclined")
        again = await create(http, key, payment_method="pm_card_visa_chargeDeclined")
        assert first.status_code == 402
        assert again.content == first.content
        assert error(first)["payment_intent"]["status"] == "requires_payment_method"

    async def test_a_500_after_execution_is_saved_and_says_so(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        responses = [await create(http, key, payment_method="pm_sandbox_error_after_charge") for _ in range(2)]
        assert [it.status_code for it in responses] == [500, 500]
        assert [it.headers["stripe-should-retry"] for it in responses] == ["false", "false"]

    async def test_what_fails_validation_is_not_saved(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        assert (await create(http, key, amount="x", payment_method="pm_none")).status_code == 400
        assert (await create(http, key)).status_code == 200

    async def test_a_method_that_was_looked_for_in_vain_is_saved(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        responses = [await create(http, key, payment_method="pm_none") for _ in range(2)]
        assert [it.status_code for it in responses] == [400, 400]
        assert responses[1].headers["idempotent-replayed"] == "true"

    async def test_what_is_refused_before_execution_is_not_saved(
        self, http: httpx.AsyncClient, healed: SandboxServer
    ) -> None:
        key = new_key()
        for faults, status in (({"outage": True}, 503), ({"outage": False, "error_rate": 1}, 500)):
            await healed.set_faults(**faults)
            refused = await create(http, key)
            assert (refused.status_code, refused.headers["stripe-should-retry"]) == (status, "true")
        await healed.recover()
        assert (await create(http, key)).status_code == 200

    async def test_a_key_in_flight_is_a_conflict_and_one_charge(
        self, http: httpx.AsyncClient, healed: SandboxServer
    ) -> None:
        await healed.set_faults(latency_ms=300)
        key, mark = new_key(), new_key()
        responses = await asyncio.gather(*(create(http, key, **{"metadata[checkout_id]": mark}) for _ in range(8)))
        assert sorted(it.status_code for it in responses) == [200] + [409] * 7
        assert {error(it)["code"] for it in responses if it.status_code == 409} == {"idempotency_key_in_use"}
        assert len(await healed.intents_of(mark)) == 1
        await healed.recover()
        assert (await create(http, key, **{"metadata[checkout_id]": mark})).status_code == 200

    async def test_a_lost_response_was_saved(self, http: httpx.AsyncClient, healed: SandboxServer) -> None:
        key = new_key()
        await healed.set_faults(lost_response_rate=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await create(http, key)
        await healed.recover()
        assert (await create(http, key)).headers["idempotent-replayed"] == "true"

    async def test_a_key_is_at_most_255_characters_long(self, http: httpx.AsyncClient) -> None:
        assert (await create(http, "k" * 256)).status_code == 400
        assert (await create(http, "k" * 255)).status_code == 200


class TestStates:
    async def test_an_unconfirmed_intent_waits_for_a_method_or_a_confirmation(self, http: httpx.AsyncClient) -> None:
        bare = (await post(http, "payment_intents", amount=5, currency="jpy")).json()
        with_card = (await create(http, confirm="false")).json()
        assert (bare["status"], with_card["status"]) == ("requires_payment_method", "requires_confirmation")
        assert error(await post(http, f"payment_intents/{bare['id']}/confirm"))["param"] == "payment_method"
        confirmed = await post(http, f"payment_intents/{with_card['id']}/confirm")
        assert confirmed.json()["status"] == "succeeded"

    @pytest.mark.parametrize("ending", ["succeeded", "canceled"])
    async def test_an_ended_intent_cannot_be_confirmed_or_cancelled(self, http: httpx.AsyncClient, ending: str) -> None:
        intent = (await create(http, confirm="true" if ending == "succeeded" else "false")).json()["id"]
        if ending == "canceled":
            cancelled = await post(http, f"payment_intents/{intent}/cancel", cancellation_reason="abandoned")
            assert (cancelled.json()["status"], cancelled.json()["cancellation_reason"]) == (ending, "abandoned")
        for verb in ("confirm", "cancel"):
            params = {"payment_method": "pm_card_visa"} if verb == "confirm" else {}
            refused = await post(http, f"payment_intents/{intent}/{verb}", **params)
            assert (refused.status_code, error(refused)["code"]) == (400, "payment_intent_unexpected_state")
            assert error(refused)["payment_intent"]["status"] == ending

    async def test_a_refund_takes_no_more_than_is_left(self, http: httpx.AsyncClient) -> None:
        intent = (await create(http)).json()["id"]
        part = await post(http, "refunds", payment_intent=intent, amount=1000)
        assert (part.json()["status"], part.json()["amount"]) == ("succeeded", 1000)
        assert (
            "greater than unrefunded"
            in error(await post(http, "refunds", payment_intent=intent, amount=1581))["message"]
        )
        assert (await post(http, "refunds", payment_intent=intent)).json()["amount"] == 1580
        too_late = await post(http, "refunds", payment_intent=intent)
        assert error(too_late)["code"] == "charge_already_refunded"
        assert (await http.get(f"/v1/refunds/{part.json()['id']}")).json() == part.json()
        listed = (await http.get("/v1/refunds", params={"payment_intent": intent})).json()["data"]
        assert [it["amount"] for it in listed] == [1580, 1000]

    async def test_what_was_not_captured_cannot_be_refunded(self, http: httpx.AsyncClient) -> None:
        intent = (await create(http, confirm="false")).json()["id"]
        assert (await post(http, "refunds", payment_intent=intent)).status_code == 400
        assert (await post(http, "refunds", payment_intent="pi_none")).status_code == 404


class TestLists:
    async def test_pages_go_both_ways_from_the_newest(self, http: httpx.AsyncClient) -> None:
        made = [(await create(http, confirm="false")).json()["id"] for _ in range(5)][::-1]

        async def page(**params: Any) -> tuple[list[str], bool]:
            listed = (await http.get("/v1/payment_intents", params=params)).json()
            return [one["id"] for one in listed["data"]], listed["has_more"]

        assert await page(limit=2) == (made[:2], True)
        assert await page(limit=2, starting_after=made[1]) == (made[2:4], True)
        assert await page(limit=2, ending_before=made[3]) == (made[1:3], True)
        assert await page(limit=3, ending_before=made[2]) == (made[:2], False)

    async def test_created_bounds_are_kept(self, http: httpx.AsyncClient) -> None:
        intent = (await create(http)).json()
        at = intent["created"]

        async def seen(**bounds: int) -> bool:
            params = {f"created[{name}]": value for name, value in bounds.items()} | {"limit": 100}
            listed = (await http.get("/v1/payment_intents", params=params)).json()["data"]
            return intent["id"] in [one["id"] for one in listed]

        assert await seen(gte=at, lte=at)
        assert await seen(gt=at - 1, lt=at + 1)
        assert not await seen(gt=at)
        assert not await seen(lt=at)

    @pytest.mark.parametrize(
        "params",
        [
            {"limit": 0},
            {"limit": 101},
            {"limit": "ten"},
            {"starting_after": "pi_none"},
            {"starting_after": "pi_a", "ending_before": "pi_b"},
            {"created[after]": 5},
            {"colour": "red"},
        ],
    )
    async def test_a_bad_question_is_a_400(self, http: httpx.AsyncClient, params: dict[str, Any]) -> None:
        assert (await http.get("/v1/payment_intents", params=params)).status_code == 400


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "param"),
        [
            ({"amount": 0}, "amount"),
            ({"amount": 1_000_000_000_000}, "amount"),
            ({"amount": "12.5"}, "amount"),
            ({"amount": 5, "currency": "isk"}, "amount"),
            ({"amount": 5, "currency": "kwd"}, "amount"),
            ({"currency": "eux"}, "currency"),
            ({"payment_method": "pm_none"}, "payment_method"),
            ({"confirm": "maybe"}, "confirm"),
            ({"payment_method_types[0]": "sofa"}, "payment_method_types"),
            ({"colour": "red"}, "colour"),
        ],
    )
    async def test_a_bad_parameter_is_named(self, http: httpx.AsyncClient, changes: dict[str, Any], param: str) -> None:
        refused = await create(http, **changes)
        assert (refused.status_code, error(refused)["param"]) == (400, param)

    async def test_nobody_gets_in_without_a_secret_key(self, sandbox: SandboxServer) -> None:
        async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as stranger:
            for header in ({}, {"Authorization": "Bearer pk_test_1"}, {"Authorization": "Basic !"}):
                refused = await stranger.get("/v1/payment_intents", headers=header)
                assert refused.status_code == 401
            for header in ({"Authorization": "Bearer rk_test_1"}, {"Authorization": "Basic c2tfMTo="}):
                assert (await stranger.get("/v1/payment_intents", headers=header)).status_code == 200

    async def test_what_is_not_there_is_a_404(self, http: httpx.AsyncClient) -> None:
        for path in ("payment_intents/pi_none", "refunds/re_none", "customers"):
            assert (await http.get(f"/v1/{path}")).status_code == 404

    async def test_a_body_has_its_limit(self, http: httpx.AsyncClient) -> None:
        assert (await create(http, description="x" * 70_000)).status_code == 413
