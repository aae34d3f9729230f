"""Whether the key is one of this shop's account, and whether that account takes payments: asked once for all checkouts.

An account that cannot charge, and a key of another account or mode, are no customer's fault, and no checkout is undone
for them. The first payment that meets one notes a hold; while there is a hold, no other payment asks the provider.
"""

import asyncio
import logging
from contextvars import Context
from datetime import UTC, datetime
from typing import Final, NoReturn

from checkout.db import provider
from checkout.db.session import Database
from checkout.domain.errors import NotAtProvider, OtherAccount, ProviderHeld
from checkout.domain.messages import HoldRequest
from checkout.domain.payments import Attempt, Charge
from checkout.domain.states import Reason
from checkout.payments.gateway import PaymentGateway

log: Final = logging.getLogger("checkout.payments")

_OTHER: Final = (
    "CHECKOUT_STRIPE_API_KEY is a key of another account or mode: it does not see this shop's earlier payments, such as"
)


class ProviderAccount:
    """The account behind the key. That it is this shop's is seen by the payments that the shop has there."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway
        self._is_ours = False
        self._looking: asyncio.Future[None] | None = None

    async def check(self, *, anew: bool = False) -> None:
        """Return when the key is one of the account that has this shop's payments; asked once in the process's life,
        or ``anew``. A shop without payments takes any account.

        Raises:
            OtherAccount: it is not.
            ProviderUnavailable, OutcomeUnknown: the provider does not say.
        """
        if anew or not self._is_ours:
            # Callers at the same time share one look.
            if self._looking is None or self._looking.done():
                # In a context of its own: it is nobody's, and must not wait for what one of them waits for.
                self._looking = asyncio.get_running_loop().create_task(self._look(), context=Context())
            await asyncio.shield(self._looking)

    async def _look(self) -> None:
        since = self._gateway.account_since or datetime.min.replace(tzinfo=UTC)
        known = await provider.known_payments(self._database, since)
        self._is_ours = not known or await self._sees_one(known)
        if not self._is_ours:
            raise OtherAccount(f"{_OTHER} {known[0]}")

    async def _sees_one(self, references: list[str]) -> bool:
        for reference in references:
            if await self._gateway.sees(reference):
                return True
        return False

    async def stop(self, attempt: Attempt) -> Charge | None:
        """Have the provider stop the attempt; what had become of it by then, None where no charge was ever made.

        That no charge is there counts only from the account where it would be.

        Raises:
            OtherAccount: our key is one of another account.
            ProviderUnavailable, OutcomeUnknown: the provider does not say.
        """
        if attempt.provider_reference is None:
            await self.check(anew=True)
        try:
            return await self._gateway.void(attempt)
        except NotAtProvider as missing:
            await self.explain(missing)

    async def explain(self, missing: NotAtProvider) -> NoReturn:
        """Find out why the provider does not know a payment that it had made.

        Raises:
            OtherAccount: the key is one of another account, which says nothing of the payment.
            NotAtProvider: the account is ours, and does not have it.
        """
        await self.check(anew=True)
        raise missing

    async def hold(self, held: ProviderHeld) -> Reason:
        """Note that payments wait, and tell operators if nobody has been told yet; returns why they wait."""
        if await provider.hold(self._database, held.hold, str(held)):
            log.error("NO PAYMENT CAN BE TAKEN (%s): %s. Checkouts wait until this is repaired.", held.hold, held)
        return held.hold

    async def held(self) -> HoldRequest | None:
        """Why payments wait; None when they are taken."""
        return await provider.held(self._database)

    async def release(self) -> None:
        """Note that payments are taken again."""
        if ended := await provider.release(self._database):
            log.warning("payments are taken again, after a hold since %s (%s)", ended.since.isoformat(), ended.reason)
