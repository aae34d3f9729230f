"""The adapters that the contract runs against: the sandbox, and Stripe's test mode where a key is at hand."""

import os
from collections.abc import AsyncIterator

import pytest

from checkout.config.settings import PaymentSettings
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.sandbox_server import SandboxServer, sandbox_server

Methods = dict[str, str]
_METHODS: dict[str, Methods] = {
    "sandbox": {
        "refund_pending": "pm_sandbox_refund_pending",
        "refund_fails": "pm_sandbox_refund_fails",
        "disputed": "pm_card_visa",
    },
    "stripe": {
        "refund_pending": "pm_card_pendingRefund",
        "refund_fails": "pm_card_refundFail",
        "disputed": "pm_card_createDispute",
    },
}
STRIPE_TEST_KEY = os.environ.get("CHECKOUT_TEST_STRIPE_KEY")


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path_factory.mktemp("contract")) as server:
        yield server


@pytest.fixture(params=["sandbox", *(["stripe"] if STRIPE_TEST_KEY else [])])
async def gateway(request: pytest.FixtureRequest, sandbox: SandboxServer) -> AsyncIterator[PaymentGateway]:
    """Stripe's own test mode takes part where a key for it is at hand."""
    settings = sandbox.payment_settings()
    if request.param == "stripe":
        settings = PaymentSettings.model_validate(
            {"stripe_api_key": STRIPE_TEST_KEY, "payment_return_url": "https://shop.example/paid"}
        )
    gateway = StripeGateway(settings)
    yield gateway
    await gateway.close()


@pytest.fixture
def methods(request: pytest.FixtureRequest) -> Methods:
    """Payment methods that do the same here and there."""
    return _METHODS["sandbox" if request.node.callspec.params["gateway"] == "sandbox" else "stripe"]
