"""The steps of a payment with a provider that behaves as Stripe does: keys that keep an error, other accounts."""

import time

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
    TooLate,
)
from checkout.domain.messages import ChargePayment, PaymentInQuestion, PaymentOutcome, Resolution
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus, Reason
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.attempts import attempt
from tests.support.checkout_steps import CheckoutSteps
from tests.support.sandbox_server import SandboxServer
from tests.support.sandbox_steps import SandboxSteps


async def test_a_key_that_keeps_an_error_is_replaced_by_one_that_is_recorded_first(sandbox_steps: SandboxSteps) -> None:
    with pytest.raises(Exception, match="500"):
        await sandbox_steps.pay("pm_sandbox_saved_error")
    assert await sandbox_steps.keys("charge") == []
    assert (await sandbox_steps.pay("pm_sandbox_saved_error")).status == PaymentStatus.CAPTURED
    assert await sandbox_steps.keys("charge") == ["chk_1-1-2"]
    assert (await sandbox_steps.intent())["amount_received"] == 2580
    assert (await sandbox_steps.pay("pm_sandbox_saved_error")).status == PaymentStatus.CAPTURED
    await sandbox_steps.steps.confirm()


async def test_a_try_that_was_settled_meanwhile_gets_no_other_key(sandbox_steps: SandboxSteps) -> None:
    with pytest.raises(Exception, match="500"):
        await sandbox_steps.pay("pm_sandbox_saved_error")
    database = Database(sandbox_steps.steps.engine)
    attempts = Attempts(database, sandbox_steps.gateway)
    before = (await attempts.read("chk_1", 1)).attempt
    truth = PaymentInquiryActivities(database, sandbox_steps.gateway)
    settled = await ActivityEnvironment().run(truth.settle_payment, PaymentInQuestion("chk_1", 1, "support", "stuck"))
    assert settled.status == PaymentStatus.VOIDED
    with pytest.raises(TooLate):
        await attempts.new_key(before, OutcomeUnknown("saved", is_saved=True), None)
    assert await sandbox_steps.keys("charge") == []


async def test_a_key_that_the_provider_has_forgotten_is_replaced_after_a_look(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.provider.set_faults(outage=True)
    with pytest.raises(Exception, match="503"):
        await sandbox_steps.pay("pm_card_visa")
    await sandbox_steps.provider.set_faults(outage=False)
    await sandbox_steps.steps.tamper("UPDATE payments SET created_at = created_at - interval '25 hours'")
    assert (await sandbox_steps.pay("pm_card_visa")).status == PaymentStatus.CAPTURED
    assert await sandbox_steps.keys("charge") == ["chk_1-1-2"]


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


async def test_a_capture_hidden_by_an_error_is_found_and_not_repeated(sandbox_steps: SandboxSteps) -> None:
    assert (await sandbox_steps.pay("pm_sandbox_error_after_charge")).status == PaymentStatus.CAPTURED
    assert await sandbox_steps.keys("charge") == []
    assert (await sandbox_steps.intent())["amount_received"] == 2580


async def test_an_intent_cancelled_by_hand_costs_the_customer_no_try(sandbox_steps: SandboxSteps) -> None:
    assert (await sandbox_steps.pay("pm_card_visa_chargeDeclined")).status == PaymentStatus.DECLINED
    await sandbox_steps.dashboard("cancel")
    assert (await sandbox_steps.pay("pm_card_visa", attempt=2)).status == PaymentStatus.CAPTURED
    assert [one["status"] for one in await sandbox_steps.provider.intents_of("chk_1")] == ["canceled", "succeeded"]
    await sandbox_steps.steps.confirm()


async def test_a_decline_of_the_first_try_is_not_the_thirds(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_card_visa_chargeDeclined")
    assert (await sandbox_steps.pay("pm_nobody_knows", attempt=2)).decline_code == "invalid_payment_method"
    for _ in range(2):
        with pytest.raises(Exception, match="500"):
            await sandbox_steps.pay("pm_sandbox_flaky", attempt=3)
    assert await sandbox_steps.steps.value("SELECT status FROM payments WHERE attempt = 3") == "unknown"
    assert (await sandbox_steps.pay("pm_sandbox_flaky", attempt=3)).status == PaymentStatus.CAPTURED


async def test_a_failed_authentication_is_the_decline_of_its_own_try(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_card_visa_chargeDeclined")
    action = await sandbox_steps.pay("pm_card_authenticationRequired", attempt=2)
    assert action.next_action_url is not None
    await sandbox_steps.provider.http.post(f"{action.next_action_url}/fail")
    assert (await sandbox_steps.pay("pm_card_authenticationRequired", attempt=2)).status == PaymentStatus.DECLINED


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
async def test_a_refused_method_is_a_decline_and_the_next_one_pays(
    sandbox_steps: SandboxSteps, method: str, decline_code: str
) -> None:
    refused = await sandbox_steps.pay(method)
    assert (refused.status, refused.decline_code) == (PaymentStatus.DECLINED, decline_code)
    assert (await sandbox_steps.pay("pm_card_visa", attempt=2)).status == PaymentStatus.CAPTURED
    await sandbox_steps.steps.confirm()


@pytest.mark.parametrize("method", ["pm_sandbox_used_up", "pm_nobody_knows"])
async def test_an_undo_after_a_refused_method_leaves_nothing_that_could_capture(
    sandbox_steps: SandboxSteps, method: str
) -> None:
    await sandbox_steps.pay(method)
    assert (await sandbox_steps.steps.refund()).status == PaymentStatus.DECLINED
    # What a refusal left behind without naming it was never confirmed, and nobody confirms it any more.
    left = {(one["status"], one["amount_received"]) for one in await sandbox_steps.provider.intents_of("chk_1")}
    assert left <= {("canceled", 0), ("requires_payment_method", 0)}
    with pytest.raises(TooLate):
        await sandbox_steps.pay(method, attempt=2)


async def test_an_account_that_cannot_charge_is_noted_once_and_asked_no_more(
    sandbox_steps: SandboxSteps, caplog: pytest.LogCaptureFixture
) -> None:
    await sandbox_steps.provider.set_faults(account="cannot_charge")
    held = await sandbox_steps.pay("pm_card_visa")
    assert (held.status, held.held) == (PaymentStatus.UNKNOWN, Reason.ACCOUNT_CANNOT_CHARGE)
    calls = (await sandbox_steps.provider.http.get("/sandbox/traffic")).json()["calls"]
    assert (await sandbox_steps.pay("pm_card_visa")).held == Reason.ACCOUNT_CANNOT_CHARGE
    assert (await sandbox_steps.provider.http.get("/sandbox/traffic")).json()["calls"] == calls
    assert [record.levelname for record in caplog.records if "NO PAYMENT" in record.message] == ["ERROR"]


async def test_a_key_of_another_account_undoes_nothing(sandbox_steps: SandboxSteps) -> None:
    await sandbox_steps.pay("pm_card_visa")
    await sandbox_steps.provider.set_faults(account="other")
    with pytest.raises(OtherAccount):
        await sandbox_steps.steps.refund()
    assert await sandbox_steps.steps.value("SELECT status FROM payments") == "refunding"
    await sandbox_steps.provider.set_faults(account="normal")
    assert (await sandbox_steps.steps.refund()).status == PaymentStatus.REFUNDED


async def test_a_new_process_with_the_key_of_another_account_charges_nobody(
    sandbox_steps: SandboxSteps, engine: AsyncEngine
) -> None:
    await sandbox_steps.pay("pm_card_visa")
    settings = sandbox_steps.provider.payment_settings().model_copy(
        update={"stripe_api_key": SecretStr("sk_test_acctOTHER_1")}
    )
    gateway = StripeGateway(settings)
    other = PaymentActivities(Database(engine), gateway)
    await sandbox_steps.steps.reserve("chk_2")
    await sandbox_steps.steps.order("chk_2")
    request = ChargePayment("chk_2", 1, "pm_card_visa", 2580, "EUR")
    held: PaymentOutcome = await ActivityEnvironment().run(other.charge_payment, request)
    assert held.held == Reason.OTHER_PROVIDER_ACCOUNT
    assert await sandbox_steps.provider.intents_of("chk_2") == []
    await gateway.close()
