"""The steps of a payment with a real PostgreSQL and a provider that behaves as Stripe does: keys that keep an error,
refunds made beside ours, accounts that cannot charge.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from activities.payments.attempts import Attempts
from activities.payments.charge import PaymentActivities
from activities.payments.inquiry import PaymentInquiryActivities
from checkout.db.session import Database
from checkout.domain.errors import (
    Contradicted,
    OtherAccount,
    OutcomeUnknown,
    PaymentMethodRefused,
    ProviderUnavailable,
    TooLate,
)
from checkout.domain.messages import ChargePayment, PaymentInQuestion, PaymentOutcome, Resolution
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus, Reason
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.attempts import attempt
from tests.support.checkout_steps import CheckoutSteps
from tests.support.sandbox_server import SandboxServer, sandbox_server
from tests.support.waiting import until


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path) as server:
        yield server


class Till:
    """The steps of the checkout `chk_1`, which has its order, and the provider's ledger beside it."""

    def __init__(self, steps: CheckoutSteps, provider: SandboxServer, gateway: StripeGateway) -> None:
        self.steps = steps
        self.gateway = gateway
        self.provider = provider

    async def pay(self, method: str, attempt: int = 1) -> PaymentOutcome:
        request = ChargePayment("chk_1", attempt, method, 2580, "EUR")
        answer: PaymentOutcome = await ActivityEnvironment().run(self.steps.payments.charge_payment, request)
        return answer

    async def keys(self, purpose: str) -> list[str]:
        statement = "SELECT idempotency_key FROM idempotency_keys WHERE purpose = :purpose ORDER BY number"
        return [row["idempotency_key"] for row in await self.steps.rows(statement, purpose=purpose)]

    async def intent(self) -> Any:
        (one,) = await self.provider.intents_of("chk_1")
        return one

    async def dashboard(self, what: str, **more: Any) -> None:
        body = {"payment_intent": (await self.intent())["id"], **more}
        (await self.provider.http.post(f"/sandbox/dashboard/{what}", json=body)).raise_for_status()

    async def refunds(self) -> list[tuple[int, str]]:
        return [(one["amount"], one["status"]) for one in (await self.provider.ledger())["refunds"]]

    async def undone(self) -> str:
        """Ask for the undo until it lands; where the last attempt ended."""

        async def ask() -> str | None:
            try:
                return str((await self.steps.refund()).status)
            except ProviderUnavailable:
                return None

        return await until(ask, bool) or ""


@pytest.fixture
async def till(steps: CheckoutSteps, engine: AsyncEngine, provider: SandboxServer) -> AsyncIterator[Till]:
    gateway = StripeGateway(provider.payment_settings(timeout_seconds=2))
    steps.payments = PaymentActivities(Database(engine), gateway)
    await steps.reserve()
    await steps.order()
    yield Till(steps, provider, gateway)
    await gateway.close()


async def test_a_key_that_keeps_an_error_is_replaced_by_one_that_is_recorded_first(till: Till) -> None:
    with pytest.raises(Exception, match="500"):
        await till.pay("pm_sandbox_saved_error")
    assert await till.keys("charge") == []
    assert (await till.pay("pm_sandbox_saved_error")).status == PaymentStatus.CAPTURED
    assert await till.keys("charge") == ["chk_1-1-2"]
    assert (await till.intent())["amount_received"] == 2580
    assert (await till.pay("pm_sandbox_saved_error")).status == PaymentStatus.CAPTURED
    await till.steps.confirm()


async def test_a_try_that_was_settled_meanwhile_gets_no_other_key(till: Till) -> None:
    with pytest.raises(Exception, match="500"):
        await till.pay("pm_sandbox_saved_error")
    database = Database(till.steps.engine)
    attempts = Attempts(database, till.gateway)
    before = (await attempts.read("chk_1", 1)).attempt
    truth = PaymentInquiryActivities(database, till.gateway)
    settled = await ActivityEnvironment().run(truth.settle_payment, PaymentInQuestion("chk_1", 1, "support", "stuck"))
    assert settled.status == PaymentStatus.VOIDED
    with pytest.raises(TooLate):
        await attempts.new_key(before, OutcomeUnknown("saved", is_saved=True), None)
    assert await till.keys("charge") == []


async def test_a_key_that_the_provider_has_forgotten_is_replaced_after_a_look(till: Till) -> None:
    await till.provider.set_faults(outage=True)
    with pytest.raises(Exception, match="503"):
        await till.pay("pm_card_visa")
    await till.provider.set_faults(outage=False)
    await till.steps.tamper("UPDATE payments SET created_at = created_at - interval '25 hours'")
    assert (await till.pay("pm_card_visa")).status == PaymentStatus.CAPTURED
    assert await till.keys("charge") == ["chk_1-1-2"]


async def test_a_refused_try_is_undone_though_the_return_url_was_changed_since(provider: SandboxServer) -> None:
    settings = provider.payment_settings(timeout_seconds=2)
    before = StripeGateway(settings)
    one = attempt("pm_nobody_knows", started_at=int(time.time()) - 400)
    with pytest.raises(PaymentMethodRefused):
        await before.charge(one)
    after = StripeGateway(settings.model_copy(update={"payment_return_url": "https://shop.example/elsewhere"}))
    assert await after.void(one) is None
    await before.close()
    await after.close()


async def test_a_capture_on_a_persons_word_is_never_the_decline_of_an_earlier_try(steps: CheckoutSteps) -> None:
    await steps.reserve()
    await steps.order()
    declined = Charge(PaymentStatus.DECLINED, "pi_1", 0, "EUR", "generic_decline", latest_charge="ch_1")
    steps.gateway.charge_result = declined
    await steps.charge()
    steps.gateway.charge_result, steps.gateway.find_result = OutcomeUnknown("late"), declined
    with pytest.raises(OutcomeUnknown):
        await steps.charge(attempt=2)
    said = Resolution("chk_1", 2, PaymentStatus.CAPTURED, None, "support:desk", "the bank says so")
    with pytest.raises(Contradicted):
        await steps.do(steps.truth.resolve_payment, said)
    assert await steps.value("SELECT status FROM payments WHERE attempt = 2") == "unknown"


async def test_a_capture_hidden_by_an_error_is_found_and_not_repeated(till: Till) -> None:
    assert (await till.pay("pm_sandbox_error_after_charge")).status == PaymentStatus.CAPTURED
    assert await till.keys("charge") == []
    assert (await till.intent())["amount_received"] == 2580


async def test_a_refund_refused_under_a_key_is_made_under_another(till: Till) -> None:
    await till.pay("pm_sandbox_refund_refused")
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await till.steps.refund()
    await till.provider.recover()
    assert await till.undone() == PaymentStatus.REFUNDED
    assert await till.refunds() == [(2580, "succeeded")]
    first = f"chk_1-{(await till.intent())['id']}-refund"
    assert (await till.keys("refund"))[:2] == [first, f"{first}-2"]


async def test_a_refund_made_by_hand_is_not_made_again(till: Till) -> None:
    await till.pay("pm_card_visa")
    await till.dashboard("refund", amount=580)
    assert (await till.steps.refund()).status == PaymentStatus.REFUNDED
    assert sorted(await till.refunds()) == [(580, "succeeded"), (2000, "succeeded")]
    assert (await till.steps.refund()).status == PaymentStatus.REFUNDED
    assert len(await till.refunds()) == 2


async def test_a_full_refund_by_hand_needs_no_refund(till: Till) -> None:
    await till.pay("pm_card_visa")
    await till.dashboard("refund")
    assert (await till.steps.refund()).status == PaymentStatus.REFUNDED
    assert (await till.refunds(), await till.keys("refund")) == ([(2580, "succeeded")], [])


async def test_only_what_a_partial_refund_by_hand_left_is_refunded(till: Till) -> None:
    await till.pay("pm_sandbox_refund_refused")
    with pytest.raises(ProviderUnavailable):
        await till.steps.refund()
    await till.provider.recover()
    await till.dashboard("refund", amount=80)
    assert await till.undone() == PaymentStatus.REFUNDED
    assert sorted(await till.refunds()) == [(80, "succeeded"), (2500, "succeeded")]


async def test_a_pending_refund_is_awaited(till: Till) -> None:
    await till.pay("pm_sandbox_refund_pending")
    with pytest.raises(ProviderUnavailable, match="pending"):
        await till.steps.refund()
    assert await till.undone() == PaymentStatus.REFUNDED
    assert await till.refunds() == [(2580, "succeeded")]


async def test_a_refund_that_failed_afterwards_is_made_again(till: Till) -> None:
    await till.pay("pm_sandbox_refund_fails")
    await till.steps.refund()
    await until(till.refunds, lambda refunds: refunds == [(2580, "failed")])
    assert await till.undone() == PaymentStatus.REFUNDED
    assert await till.refunds() == [(2580, "failed"), (2580, "succeeded")]


async def test_a_disputed_charge_counts_as_given_back_by_the_bank(till: Till) -> None:
    await till.pay("pm_card_visa")
    await till.dashboard("dispute")
    assert (await till.steps.refund()).status == PaymentStatus.REFUNDED
    await till.steps.cancel()
    await till.steps.release()
    assert await till.refunds() == []


async def test_an_intent_cancelled_by_hand_costs_the_customer_no_try(till: Till) -> None:
    assert (await till.pay("pm_card_visa_chargeDeclined")).status == PaymentStatus.DECLINED
    await till.dashboard("cancel")
    assert (await till.pay("pm_card_visa", attempt=2)).status == PaymentStatus.CAPTURED
    assert [one["status"] for one in await till.provider.intents_of("chk_1")] == ["canceled", "succeeded"]
    await till.steps.confirm()


async def test_an_undo_refunds_a_capture_that_the_tables_call_declined(till: Till) -> None:
    assert (await till.pay("pm_card_visa")).status == PaymentStatus.CAPTURED
    await till.steps.tamper("UPDATE payments SET status = 'declined', captured_minor = NULL")
    assert (await till.steps.refund()).status == PaymentStatus.REFUNDED
    assert await till.refunds() == [(2580, "succeeded")]
    assert await till.steps.value("SELECT status FROM payments") == "refunded"


async def test_a_decline_of_the_first_try_is_not_the_thirds(till: Till) -> None:
    await till.pay("pm_card_visa_chargeDeclined")
    assert (await till.pay("pm_nobody_knows", attempt=2)).decline_code == "invalid_payment_method"
    for _ in range(2):
        with pytest.raises(Exception, match="500"):
            await till.pay("pm_sandbox_flaky", attempt=3)
    assert await till.steps.value("SELECT status FROM payments WHERE attempt = 3") == "unknown"
    assert (await till.pay("pm_sandbox_flaky", attempt=3)).status == PaymentStatus.CAPTURED


async def test_a_failed_authentication_is_the_decline_of_its_own_try(till: Till) -> None:
    await till.pay("pm_card_visa_chargeDeclined")
    action = await till.pay("pm_card_authenticationRequired", attempt=2)
    assert action.next_action_url is not None
    await till.provider.http.post(f"{action.next_action_url}/fail")
    assert (await till.pay("pm_card_authenticationRequired", attempt=2)).status == PaymentStatus.DECLINED


@pytest.mark.parametrize(
    ("method", "decline_code"),
    [
        ("pm_sandbox_used_up", "payment_method_used_up"),
        ("pm_sandbox_belongs_to_customer", "payment_method_of_a_customer"),
        ("pm_sandbox_link", "payment_method_type_not_accepted"),
        ("pm_sandbox_needs_address", "customer_details_required"),
        ("pm_nobody_knows", "invalid_payment_method"),
    ],
)
async def test_a_refused_method_is_a_decline_and_the_next_one_pays(till: Till, method: str, decline_code: str) -> None:
    refused = await till.pay(method)
    assert (refused.status, refused.decline_code) == (PaymentStatus.DECLINED, decline_code)
    assert (await till.pay("pm_card_visa", attempt=2)).status == PaymentStatus.CAPTURED
    await till.steps.confirm()


@pytest.mark.parametrize("method", ["pm_sandbox_used_up", "pm_nobody_knows"])
async def test_an_undo_after_a_refused_method_leaves_nothing_that_could_capture(till: Till, method: str) -> None:
    await till.pay(method)
    assert (await till.steps.refund()).status == PaymentStatus.DECLINED
    # What a refusal left behind without naming it was never confirmed, and nobody confirms it any more.
    left = {(one["status"], one["amount_received"]) for one in await till.provider.intents_of("chk_1")}
    assert left <= {("canceled", 0), ("requires_payment_method", 0)}
    with pytest.raises(TooLate):
        await till.pay(method, attempt=2)


async def test_an_account_that_cannot_charge_is_noted_once_and_asked_no_more(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    await till.provider.set_faults(account="cannot_charge")
    held = await till.pay("pm_card_visa")
    assert (held.status, held.held) == (PaymentStatus.UNKNOWN, Reason.ACCOUNT_CANNOT_CHARGE)
    calls = (await till.provider.http.get("/sandbox/traffic")).json()["calls"]
    assert (await till.pay("pm_card_visa")).held == Reason.ACCOUNT_CANNOT_CHARGE
    assert (await till.provider.http.get("/sandbox/traffic")).json()["calls"] == calls
    assert [record.levelname for record in caplog.records if "NO PAYMENT" in record.message] == ["ERROR"]


async def test_a_key_of_another_account_undoes_nothing(till: Till) -> None:
    await till.pay("pm_card_visa")
    await till.provider.set_faults(account="other")
    with pytest.raises(OtherAccount):
        await till.steps.refund()
    assert await till.steps.value("SELECT status FROM payments") == "refunding"
    await till.provider.set_faults(account="normal")
    assert (await till.steps.refund()).status == PaymentStatus.REFUNDED


async def test_a_new_process_with_the_key_of_another_account_charges_nobody(till: Till, engine: AsyncEngine) -> None:
    await till.pay("pm_card_visa")
    settings = till.provider.payment_settings().model_copy(update={"stripe_api_key": SecretStr("sk_test_acctOTHER_1")})
    gateway = StripeGateway(settings)
    other = PaymentActivities(Database(engine), gateway)
    await till.steps.reserve("chk_2")
    await till.steps.order("chk_2")
    request = ChargePayment("chk_2", 1, "pm_card_visa", 2580, "EUR")
    held: PaymentOutcome = await ActivityEnvironment().run(other.charge_payment, request)
    assert held.held == Reason.OTHER_PROVIDER_ACCOUNT
    assert await till.provider.intents_of("chk_2") == []
    await gateway.close()
