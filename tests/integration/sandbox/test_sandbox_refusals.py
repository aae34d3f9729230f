"""The sandbox provider refuses as Stripe does: what stays of the intent, what the error says, what its key keeps."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.sandbox_calls import create, error, listed, new_key, paid, post, told_of
from tests.support.sandbox_server import SandboxServer, sandbox_server

BACK = "https://shop.example/paid"


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("sandbox")) as server:
        yield server


@pytest.fixture
def http(sandbox: SandboxServer) -> httpx.AsyncClient:
    return sandbox.http


class TestRefusedMethods:
    @pytest.mark.parametrize(
        ("method", "code", "param", "words"),
        [
            ("pm_sandbox_belongs_to_customer", "parameter_missing", "source", "belongs to the Customer cus_"),
            ("pm_sandbox_link", "payment_intent_invalid_parameter", None, "(link) is not allowed"),
            ("pm_sandbox_needs_address", None, None, "As per Indian regulations"),
        ],
    )
    async def test_a_refused_method_leaves_an_intent_that_the_error_carries(
        self, http: httpx.AsyncClient, method: str, code: str | None, param: str | None, words: str
    ) -> None:
        refused = await create(http, payment_method=method)
        what = error(refused)
        assert (refused.status_code, what["type"]) == (400, "invalid_request_error")
        assert (what.get("code"), what.get("param")) == (code, param)
        assert words in what["message"]
        intent = what["payment_intent"]
        assert (intent["status"], intent["payment_method"]) == ("requires_payment_method", None)
        assert (intent["last_payment_error"], intent["latest_charge"]) == (None, None)
        assert (await http.get(f"/v1/payment_intents/{intent['id']}")).json() == intent

    async def test_a_method_that_is_used_up_leaves_an_intent_that_the_error_does_not_name(
        self, sandbox: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        mark = new_key()
        refused = await create(http, payment_method="pm_sandbox_used_up", **{"metadata[checkout_id]": mark})
        assert refused.status_code == 400
        assert error(refused).keys() == {"type", "message"}
        assert "It may not be used again." in error(refused)["message"]
        assert [one["status"] for one in await sandbox.intents_of(mark)] == ["requires_payment_method"]

    async def test_a_method_that_nobody_knows_leaves_no_intent(
        self, sandbox: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        mark = new_key()
        refused = await create(http, payment_method="pm_none", **{"metadata[checkout_id]": mark})
        assert (error(refused)["code"], error(refused)["param"]) == ("resource_missing", "payment_method")
        assert "payment_intent" not in error(refused)
        assert await sandbox.intents_of(mark) == []

    async def test_a_declined_method_leaves_an_intent_with_a_failed_charge(self, http: httpx.AsyncClient) -> None:
        what = error(await create(http, payment_method="pm_card_visa_chargeDeclined"))
        intent = what["payment_intent"]
        assert (what["payment_method"]["id"], what["charge"]) == (
            "pm_card_visa_chargeDeclined",
            intent["latest_charge"],
        )
        assert (intent["status"], intent["last_payment_error"]["code"]) == ("requires_payment_method", "card_declined")

    async def test_a_refused_second_method_leaves_the_first_ones_decline(self, http: httpx.AsyncClient) -> None:
        declined = error(await create(http, payment_method="pm_card_visa_chargeDeclined"))["payment_intent"]
        path = f"payment_intents/{declined['id']}/confirm"
        for method in ("pm_sandbox_link", "pm_sandbox_used_up", "pm_none"):
            assert (await post(http, path, payment_method=method)).status_code == 400
            assert (await http.get(f"/v1/payment_intents/{declined['id']}")).json() == declined
        assert (await post(http, path, payment_method="pm_card_visa")).json()["status"] == "succeeded"

    async def test_a_refusal_is_saved_under_its_key(self, http: httpx.AsyncClient) -> None:
        key = new_key()
        responses = [await create(http, key, payment_method="pm_sandbox_used_up") for _ in range(2)]
        assert responses[0].content == responses[1].content
        assert responses[1].headers["idempotent-replayed"] == "true"

    async def test_an_error_that_did_nothing_stays_with_its_key_alone(
        self, sandbox: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        key, mark = new_key(), {"metadata[checkout_id]": new_key()}
        responses = [await create(http, key, payment_method="pm_sandbox_saved_error", **mark) for _ in range(2)]
        assert [it.status_code for it in responses] == [500, 500]
        assert responses[1].headers["idempotent-replayed"] == "true"
        assert await sandbox.intents_of(mark["metadata[checkout_id]"]) == []
        under_another = await create(http, payment_method="pm_sandbox_saved_error", **mark)
        assert under_another.json()["status"] == "succeeded"


class TestAuthentication:
    async def test_without_a_return_url_there_is_no_page(self, http: httpx.AsyncClient) -> None:
        intent = (await create(http, payment_method="pm_card_authenticationRequired")).json()
        assert (intent["status"], intent["next_action"]["type"]) == ("requires_action", "use_stripe_sdk")
        assert "http" not in str(intent["next_action"])
        approved = await http.post(f"/sandbox/authenticate/{intent['id']}/approve")
        assert approved.status_code == 200
        assert (await http.get(f"/v1/payment_intents/{intent['id']}")).json()["status"] == "succeeded"

    async def test_with_a_return_url_there_is_a_page(self, http: httpx.AsyncClient) -> None:
        intent = (await create(http, payment_method="pm_card_authenticationRequired", return_url=BACK)).json()
        action = intent["next_action"]
        assert (action["type"], action["redirect_to_url"]["return_url"]) == ("redirect_to_url", BACK)
        assert action["redirect_to_url"]["url"].endswith(f"/sandbox/authenticate/{intent['id']}")

    async def test_a_failed_authentication_makes_no_charge(self, http: httpx.AsyncClient) -> None:
        intent = (await create(http, payment_method="pm_card_authenticationRequired")).json()
        await http.post(f"/sandbox/authenticate/{intent['id']}/fail")
        now = (await http.get(f"/v1/payment_intents/{intent['id']}")).json()
        assert (now["status"], now["latest_charge"], now["payment_method"]) == ("requires_payment_method", None, None)
        why = now["last_payment_error"]
        assert (why["code"], why["type"]) == ("payment_intent_authentication_failure", "invalid_request_error")
        assert why["payment_method"]["id"] == "pm_card_authenticationRequired"
        assert {"charge", "decline_code"}.isdisjoint(why)
        assert await told_of(http, intent["id"]) == ["payment_intent.requires_action", "payment_intent.payment_failed"]

    async def test_a_failed_authentication_leaves_the_charge_of_an_earlier_decline(
        self, http: httpx.AsyncClient
    ) -> None:
        declined = error(await create(http, payment_method="pm_card_visa_chargeDeclined"))["payment_intent"]
        path = f"payment_intents/{declined['id']}/confirm"
        await post(http, path, payment_method="pm_card_authenticationRequired")
        await http.post(f"/sandbox/authenticate/{declined['id']}/fail")
        now = (await http.get(f"/v1/payment_intents/{declined['id']}")).json()
        assert now["latest_charge"] == declined["latest_charge"]
        assert now["last_payment_error"]["code"] == "payment_intent_authentication_failure"


class TestRecovery:
    async def test_what_fails_until_recovery_has_recovered_for_new_keys_too(
        self, sandbox: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        await sandbox.set_faults(recovered=False)
        key = new_key()
        assert (await create(http, key, payment_method="pm_sandbox_unavailable")).status_code == 503
        await sandbox.recover()
        assert (await create(http, key, payment_method="pm_sandbox_unavailable")).json()["status"] == "succeeded"
        assert await paid(http, "pm_sandbox_unavailable")

    async def test_a_recovery_can_be_taken_back(self, sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
        await sandbox.recover()
        await sandbox.set_faults(recovered=False)
        assert (await create(http, payment_method="pm_sandbox_unavailable")).status_code == 503

    async def test_a_recovery_outlives_the_process(self, sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
        await sandbox.recover()
        await sandbox.kill_and_restart()
        assert await paid(http, "pm_sandbox_unavailable")


class TestRefusedRefunds:
    async def test_a_balance_that_is_too_low_is_saved_and_then_recovers(
        self, sandbox: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        await sandbox.set_faults(recovered=False)
        intent, key = await paid(http, "pm_sandbox_refund_refused"), new_key()
        refused = await post(http, "refunds", key, payment_intent=intent)
        assert (refused.status_code, error(refused)["code"]) == (400, "balance_insufficient")
        await sandbox.recover()
        again = await post(http, "refunds", key, payment_intent=intent)
        assert (again.content, again.headers["idempotent-replayed"]) == (refused.content, "true")
        assert (await post(http, "refunds", payment_intent=intent)).json()["status"] == "succeeded"
        assert [one["amount"] for one in await listed(http, "refunds", payment_intent=intent)] == [2580]
