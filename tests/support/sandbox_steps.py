"""The steps of a payment whose provider is the sandbox."""

from typing import Any

from temporalio.testing import ActivityEnvironment

from checkout.domain.errors import (
    ProviderUnavailable,
)
from checkout.domain.messages import ChargePayment, PaymentOutcome
from checkout.payments.stripe.gateway import StripeGateway
from tests.support.checkout_steps import CheckoutSteps
from tests.support.sandbox_server import SandboxServer
from tests.support.waiting import until


class SandboxSteps:
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
