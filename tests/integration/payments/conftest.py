"""The steps of a payment with the sandbox as their provider."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.payments.charge import PaymentActivities
from checkout.db.session import Database
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.checkout_steps import CheckoutSteps
from tests.support.sandbox_server import SandboxServer, sandbox_server
from tests.support.sandbox_steps import SandboxSteps


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[SandboxServer]:
    async with sandbox_server(tmp_path) as server:
        yield server


@pytest.fixture
async def sandbox_steps(
    steps: CheckoutSteps, engine: AsyncEngine, provider: SandboxServer
) -> AsyncIterator[SandboxSteps]:
    gateway = StripeGateway(provider.payment_settings(timeout_seconds=2))
    steps.payments = PaymentActivities(Database(engine), gateway)
    await steps.reserve()
    await steps.order()
    yield SandboxSteps(steps, provider, gateway)
    await gateway.close()
