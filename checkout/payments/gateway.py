"""The port to the payment provider: what a checkout needs of it, in the checkout's own words.

One intent per checkout carries all of its attempts, so that the provider itself refuses a second capture. Every call
that changes something carries a key made of ids alone; the same key asks for the same thing and never does it twice.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Protocol

from checkout.domain.payments import Attempt, Charge, LedgerEntry, OddEntry, Refund, RefundCall


class PaymentGateway(Protocol):
    """What every payment provider must do for us. Each method may be called again with the same argument at any time.

    Raises, all of them:
        ProviderUnavailable: certainly nothing happened; ask again.
        ProviderHeld: the same, and every charge is refused until a person has put something right.
        OutcomeUnknown: it may have happened; `find` or the same call again will tell.
        ProviderRefusedCall: the call itself is wrong; a person must look.

    An error whose ``is_saved`` is set is repeated for as long as the key is the same.
    """

    async def charge(self, attempt: Attempt) -> Charge:
        """Take the money of this attempt, at most once for its key. A decline is a result."""

    async def find(self, attempt: Attempt) -> Charge | None:
        """Ask where the intent of the attempt's checkout stands, by reference or by our own id; None if none is seen.

        None is not a promise: a request may still be on its way.
        """

    async def void(self, attempt: Attempt) -> Charge | None:
        """Make sure that this attempt can never capture any more, and say what it had come to.

        Returns `captured` when it was too late for that (then refund), None when nothing had reached the provider and
        nothing of it can take effect from now on.
        """

    async def refund(self, call: RefundCall) -> Refund:
        """Give money back, at most once for the key."""

    async def refunds(self, provider_reference: str) -> list[Refund]:
        """Every refund of the intent, whoever made it, newest first."""

    def ledger(self, created_from: int, created_to: int) -> AsyncGenerator[LedgerEntry | OddEntry, None]:
        """Every intent that names a checkout and was made between the two Unix times in seconds, both included, newest
        first.
        """

    async def entry(self, provider_reference: str) -> LedgerEntry | None:
        """The one intent as the books have it now; None if there is no such intent that names a checkout."""

    async def sees(self, provider_reference: str) -> bool:
        """Whether the account of our key has this intent."""

    @property
    def account_since(self) -> datetime | None:
        """Before this time the shop's payments were in another account or mode, and prove nothing of this one."""

    async def close(self) -> None:
        """Let go of the connections."""
