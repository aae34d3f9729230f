"""A key of the sandbox provider belongs to an account and a mode, and sees nothing of the others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.support.sandbox_calls import act, create, error, listed, new_key, paid, post
from tests.support.sandbox_server import SandboxServer, sandbox_server

OTHERS = ("sk_live_sandbox", "rk_live_sandbox", "sk_test_acctACME_1", "sk_live_acctACME_1")


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("sandbox")) as server:
        yield server


@pytest.fixture
async def healed(sandbox: SandboxServer) -> AsyncIterator[SandboxServer]:
    """For tests that set faults."""
    yield sandbox
    await sandbox.recover()


@pytest.fixture
def http(sandbox: SandboxServer) -> httpx.AsyncClient:
    return sandbox.http


@asynccontextmanager
async def holder_of(key: str, sandbox: SandboxServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, auth=(key, ""), trust_env=False) as client:
        yield client


async def id_of(http: httpx.AsyncClient) -> str:
    return str((await http.get("/v1/account")).json()["id"])


class TestKeys:
    @pytest.mark.parametrize("key", OTHERS)
    async def test_what_is_anothers_is_not_there(
        self, sandbox: SandboxServer, http: httpx.AsyncClient, key: str
    ) -> None:
        intent = await paid(http)
        refund = (await post(http, "refunds", payment_intent=intent, amount=1)).json()["id"]
        dispute = (await act(http, "dispute", payment_intent=intent)).json()["id"]
        event = (await listed(http, "events", limit=1))[0]["id"]
        async with holder_of(key, sandbox) as other:
            for path in (
                f"payment_intents/{intent}",
                f"refunds/{refund}",
                f"disputes/{dispute}",
                f"events/{event}",
            ):
                missing = await other.get(f"/v1/{path}")
                assert (missing.status_code, error(missing)["code"]) == (404, "resource_missing")
                listed_there = await other.get(f"/v1/{path.split('/')[0]}", params={"limit": 100})
                assert path.split("/")[1] not in listed_there.text
            for path, params in (
                (f"payment_intents/{intent}/cancel", {}),
                (f"payment_intents/{intent}/confirm", {"payment_method": "pm_card_visa"}),
                ("refunds", {"payment_intent": intent}),
            ):
                missing = await post(other, path, **params)
                assert (missing.status_code, error(missing)["code"]) == (404, "resource_missing")
            cursor = await other.get("/v1/payment_intents", params={"starting_after": intent})
            assert cursor.status_code == 400

    async def test_the_other_mode_is_named(self, sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
        intent = await paid(http)
        async with holder_of("sk_live_sandbox", sandbox) as live:
            message = error(await live.get(f"/v1/payment_intents/{intent}"))["message"]
        assert message.endswith("exists in test mode, but a live mode key was used to make this request.")

    async def test_keys_of_one_account_and_mode_share_everything(
        self, sandbox: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        intent = await paid(http)
        async with holder_of("rk_test_restricted", sandbox) as restricted:
            assert (await restricted.get(f"/v1/payment_intents/{intent}")).status_code == 200

    async def test_objects_say_their_mode(self, sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
        assert (await create(http)).json()["livemode"] is False
        async with holder_of("sk_live_sandbox", sandbox) as live:
            intent = (await create(live)).json()
            assert intent["livemode"] is True
            event = (await listed(live, "events", limit=1))[0]
        assert (event["livemode"], event["data"]["object"]["id"]) == (True, intent["id"])
        assert "account" not in event

    async def test_each_has_idempotency_keys_of_its_own(self, sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
        key = new_key()
        ids = {(await create(http, key)).json()["id"]}
        for secret in OTHERS:
            async with holder_of(secret, sandbox) as other:
                response = await create(other, key)
                reused = await create(other, key, amount=1)
                assert f"'{key}'" in error(reused)["message"]
                if secret != "rk_live_sandbox":
                    ids.add(response.json()["id"])
                else:
                    assert response.headers["idempotent-replayed"] == "true"
        assert len(ids) == 4

    async def test_an_owner_outlives_the_process_and_is_never_shown(self, sandbox: SandboxServer) -> None:
        async with holder_of("sk_test_acctACME_1", sandbox) as acme:
            intent = await paid(acme)
            await sandbox.kill_and_restart()
            shown = await acme.get(f"/v1/payment_intents/{intent}")
        assert shown.status_code == 200
        assert "ACME" not in shown.text
        assert "ACME" not in (await sandbox.http.get("/sandbox/ledger")).text

    async def test_the_id_of_an_account_never_changes(self, sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
        own = await id_of(http)
        assert own.startswith("acct_")
        await sandbox.kill_and_restart()
        assert await id_of(http) == own
        async with holder_of("sk_live_sandbox", sandbox) as live, holder_of("sk_test_acctACME_1", sandbox) as acme:
            assert await id_of(live) == own
            assert await id_of(acme) != own


class TestFaults:
    async def test_an_account_that_cannot_charge_can_give_back(
        self, healed: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        before, idle = await paid(http), (await create(http, confirm="false")).json()["id"]
        await healed.set_faults(account="cannot_charge")
        key = new_key()
        refused = await create(http, key)
        assert (refused.status_code, error(refused)["type"]) == (400, "invalid_request_error")
        assert error(refused)["message"] == "Your account cannot currently make live charges."
        assert {"code", "param"}.isdisjoint(error(refused))
        assert error(refused)["payment_intent"]["status"] == "requires_payment_method"
        confirmed = await post(http, f"payment_intents/{idle}/confirm")
        assert error(confirmed)["payment_intent"]["id"] == idle
        assert (await http.get("/v1/account")).json()["charges_enabled"] is False
        assert (await post(http, "refunds", payment_intent=before)).status_code == 200
        assert (await post(http, f"payment_intents/{idle}/cancel")).status_code == 200
        await healed.set_faults(account="normal")
        assert (await create(http, key)).content == refused.content
        assert await paid(http)
        assert (await http.get("/v1/account")).json()["charges_enabled"] is True

    async def test_a_key_can_turn_into_one_of_another_account(
        self, healed: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        intent, own = await paid(http), await id_of(http)
        await healed.set_faults(account="other")
        assert (await http.get(f"/v1/payment_intents/{intent}")).status_code == 404
        assert await listed(http, "payment_intents") == []
        assert await id_of(http) != own
        await healed.set_faults(account="normal")
        assert (await http.get(f"/v1/payment_intents/{intent}")).status_code == 200
