"""What people and banks do at the sandbox provider has the effects and the events that it has at Stripe."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.sandbox_calls import Json, act, charge_of, create, error, listed, paid, post, told_of
from tests.support.sandbox_server import SandboxServer, sandbox_server


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("sandbox")) as server:
        yield server


@pytest.fixture
def http(sandbox: SandboxServer) -> httpx.AsyncClient:
    return sandbox.http


async def dispute(http: httpx.AsyncClient, intent: str, **more: Any) -> Json:
    done = await act(http, "dispute", payment_intent=intent, **more)
    found: Json = (await http.get(f"/v1/disputes/{done.json()['id']}")).json()
    return found


class TestByHand:
    async def test_a_refund_by_hand_is_a_refund(self, http: httpx.AsyncClient) -> None:
        intent = await paid(http)
        part = (await act(http, "refund", payment_intent=intent, amount=1000)).json()
        rest = (await act(http, "refund", payment_intent=intent)).json()
        found = await listed(http, "refunds", payment_intent=intent)
        assert [(one["id"], one["amount"], one["metadata"]) for one in found] == [
            (rest["id"], 1580, {}),
            (part["id"], 1000, {}),
        ]
        assert (await told_of(http, intent))[-2:] == ["refund.created", "charge.refunded"]
        too_late = await act(http, "refund", payment_intent=intent)
        assert (too_late.status_code, error(too_late)["code"]) == (400, "charge_already_refunded")

    async def test_a_cancellation_by_hand_is_one(self, http: httpx.AsyncClient) -> None:
        intent = (await create(http, payment_method="pm_card_authenticationRequired")).json()["id"]
        assert (await act(http, "cancel", payment_intent=intent)).json() == {"id": intent}
        now = (await http.get(f"/v1/payment_intents/{intent}")).json()
        assert (now["status"], now["cancellation_reason"]) == ("canceled", "requested_by_customer")
        assert (await told_of(http, intent))[-1] == "payment_intent.canceled"
        assert (await act(http, "cancel", payment_intent=intent)).status_code == 400

    async def test_a_fraud_warning_is_told_and_listed(self, http: httpx.AsyncClient) -> None:
        intent = await paid(http)
        warning = (await act(http, "fraud-warning", payment_intent=intent)).json()["id"]
        assert warning.startswith("issfr_")
        assert (await told_of(http, intent))[-1] == "radar.early_fraud_warning.created"
        found = await listed(http, "radar/early_fraud_warnings", payment_intent=intent)
        assert [(one["id"], one["actionable"]) for one in found] == [(warning, True)]

    @pytest.mark.parametrize(
        ("what", "body", "status"),
        [
            ("refund", {}, 400),
            ("refund", {"payment_intent": "pi_none"}, 404),
            ("refund", {"payment_intent": "pi_none", "colour": "red"}, 400),
            ("refund", {"payment_intent": "PAID", "amount": 0}, 400),
            ("refund", {"payment_intent": "PAID", "amount": "5"}, 400),
            ("refund", {"payment_intent": "PAID", "amount": 2581}, 400),
            ("refund", {"payment_intent": "IDLE"}, 400),
            ("cancel", {"payment_intent": "PAID"}, 400),
            ("dispute", {"payment_intent": "PAID", "kind": "quarrel"}, 400),
            ("dispute", {"payment_intent": "PAID", "reason": "whim"}, 400),
            ("dispute", {"payment_intent": "PAID", "amount": 2581}, 400),
            ("dispute", {"payment_intent": "IDLE"}, 400),
            ("dispute/close", {"dispute": "dp_none", "status": "won"}, 404),
            ("dispute/close", {"dispute": "dp_none"}, 400),
            ("fraud-warning", {"payment_intent": "IDLE"}, 400),
            ("fraud-warning", {"payment_intent": ["PAID"]}, 400),
        ],
    )
    async def test_what_cannot_be_done_is_said_in_a_sentence(
        self, http: httpx.AsyncClient, what: str, body: Json, status: int
    ) -> None:
        ids = {"PAID": await paid(http), "IDLE": (await create(http, confirm="false")).json()["id"]}
        sent = {field: ids.get(value, value) if isinstance(value, str) else value for field, value in body.items()}
        refused = await act(http, what, **sent)
        assert refused.status_code == status
        assert len(error(refused)["message"]) > 10

    async def test_what_is_no_object_is_refused(self, http: httpx.AsyncClient) -> None:
        for body in ("", "[]", "{"):
            assert (await http.post("/sandbox/dashboard/refund", content=body)).status_code == 400


class TestDisputes:
    async def test_a_dispute_takes_the_money_at_once(self, sandbox: SandboxServer, http: httpx.AsyncClient) -> None:
        intent = await paid(http)
        found = await dispute(http, intent, reason="product_not_received")
        assert found["id"].startswith("dp_")
        assert (found["status"], found["reason"], found["amount"]) == ("needs_response", "product_not_received", 2580)
        assert (found["payment_intent"], found["currency"], found["metadata"]) == (intent, "eur", {})
        assert found["is_charge_refundable"] is False
        assert found["evidence_details"]["due_by"] > found["created"]
        assert [(one["amount"], one["net"] < -2580) for one in found["balance_transactions"]] == [(-2580, True)]
        assert (await told_of(http, intent))[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
        charge = await charge_of(http, intent)
        assert (charge["disputed"], charge["id"]) == (True, found["charge"])
        assert found in (await sandbox.ledger())["disputes"]

    async def test_a_disputed_charge_cannot_be_refunded(self, http: httpx.AsyncClient) -> None:
        intent = await paid(http)
        found = await dispute(http, intent)
        for _ in ("open", "lost"):
            refused = await post(http, "refunds", payment_intent=intent)
            assert (refused.status_code, error(refused)["code"]) == (400, "charge_disputed")
            assert error(await act(http, "refund", payment_intent=intent))["code"] == "charge_disputed"
            await act(http, "dispute/close", dispute=found["id"], status="lost")
        now = (await http.get(f"/v1/disputes/{found['id']}")).json()
        assert (now["status"], len(now["balance_transactions"])) == ("lost", 1)
        assert (await told_of(http, intent))[-1] == "charge.dispute.closed"

    async def test_a_dispute_that_is_won_gives_the_money_back(self, http: httpx.AsyncClient) -> None:
        intent = await paid(http)
        found = await dispute(http, intent)
        closed = await act(http, "dispute/close", dispute=found["id"], status="won")
        assert closed.json() == {"id": found["id"]}
        now = (await http.get(f"/v1/disputes/{found['id']}")).json()
        assert (now["status"], now["is_charge_refundable"]) == ("won", True)
        assert [one["amount"] for one in now["balance_transactions"]] == [-2580, 2580]
        assert (await told_of(http, intent))[-2:] == ["charge.dispute.funds_reinstated", "charge.dispute.closed"]
        assert (await charge_of(http, intent))["disputed"] is True
        assert (await post(http, "refunds", payment_intent=intent)).json()["status"] == "succeeded"
        assert (await act(http, "dispute/close", dispute=found["id"], status="lost")).status_code == 400

    async def test_an_inquiry_takes_nothing(self, http: httpx.AsyncClient) -> None:
        intent = await paid(http)
        found = await dispute(http, intent, kind="inquiry")
        assert found["id"].startswith("du_")
        assert (found["status"], found["balance_transactions"]) == ("warning_needs_response", [])
        assert found["is_charge_refundable"] is True
        assert (await told_of(http, intent))[-1] == "charge.dispute.created"
        assert (await charge_of(http, intent))["disputed"] is False
        assert (await post(http, "refunds", payment_intent=intent, amount=1)).status_code == 200
        await act(http, "dispute/close", dispute=found["id"], status="won")
        assert (await http.get(f"/v1/disputes/{found['id']}")).json()["status"] == "warning_closed"

    async def test_what_is_disputed_is_what_was_not_given_back(self, http: httpx.AsyncClient) -> None:
        intent = await paid(http)
        await act(http, "refund", payment_intent=intent, amount=1000)
        assert (await dispute(http, intent))["amount"] == 1580
        again = await act(http, "dispute", payment_intent=intent)
        assert (again.status_code, "disputed already" in error(again)["message"]) == (400, True)

    async def test_disputes_are_listed_and_outlive_the_process(
        self, sandbox: SandboxServer, http: httpx.AsyncClient
    ) -> None:
        first, second = [await dispute(http, await paid(http)) for _ in range(2)]
        await sandbox.kill_and_restart()
        newest = await listed(http, "disputes", limit=1)
        assert newest == [second]
        assert await listed(http, "disputes", limit=1, starting_after=second["id"]) == [first]
        for name in ("payment_intent", "charge"):
            assert await listed(http, "disputes", **{name: first[name]}) == [first]
        assert await listed(http, "disputes", **{"created[gt]": second["created"]}) == []
        assert (await http.get("/v1/disputes/dp_none")).status_code == 404
