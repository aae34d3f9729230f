"""The port to the payment provider: what a checkout needs of it, in the checkout's own words.

One intent per checkout carries all of its attempts, so that the provider itself refuses a second capture. Every call
carries a key made of ids alone; the same key asks for the same thing and never does it twice.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Protocol

from checkout.domain.states import PaymentStatus, RefundStatus


@dataclass(frozen=True)
class Attempt:
    """One try of a customer to pay, as the attempt row knows it before anything is sent.

    ``idempotency_key`` is made of ids and stays the same through every retry of this try. ``provider_reference`` is
    the checkout's intent where an earlier attempt made one. ``started_at`` is Unix time in seconds: where to look when
    the reference is not known. ``previous_charge`` is what the intent's latest charge was before this try (empty if
    there was none; None where the intent is this try's own): a decline of that one says nothing of this try.
    """

    checkout_id: str
    number: int
    idempotency_key: str
    payment_method: str
    amount_minor: int
    currency: str
    started_at: int
    provider_reference: str | None = None
    previous_charge: str | None = None

    def with_reference(self, provider_reference: str | None) -> "Attempt":
        """The same attempt, to be looked for under this intent."""
        return replace(self, provider_reference=provider_reference)


@dataclass(frozen=True)
class Charge:
    """Where the provider says an intent stands.

    ``status`` is one of captured, declined, pending, requires_action, voided, or processing for an intent that has not
    been tried. Captured amount and currency are what was really taken, zero and the intent's own before that.
    ``retryable`` tells a soft decline (the same card may work later) from a hard one. ``latest_charge`` is the
    provider's id of the last try on the intent.
    """

    status: PaymentStatus
    provider_reference: str
    captured_minor: int
    currency: str
    decline_code: str | None = None
    retryable: bool = False
    next_action_url: str | None = None
    latest_charge: str | None = None


@dataclass(frozen=True)
class Refund:
    """Where the provider says a refund stands."""

    status: RefundStatus
    provider_reference: str
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class LedgerEntry:
    """One intent of ours in the provider's books; ``created`` is Unix time in seconds.

    ``captured_minor`` is what was ever taken, ``refunded_minor`` what of it was given back or is on its way back.
    """

    provider_reference: str
    checkout_id: str
    attempt: int
    status: PaymentStatus
    captured_minor: int
    refunded_minor: int
    currency: str
    created: int

    @property
    def held_minor(self) -> int:
        """What of the customer's money we hold, in minor units."""
        return self.captured_minor - self.refunded_minor

    @property
    def may_still_capture(self) -> bool:
        """Whether money may come of it without our doing anything more."""
        return self.status in (PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION)


class PaymentGateway(Protocol):
    """What every payment provider must do for us. Each method may be called again with the same argument at any time.

    Raises, all of them:
        ProviderUnavailable: certainly nothing happened; ask again.
        OutcomeUnknown: it may have happened; `find` or the same call again will tell.
        ProviderRefusedCall: the call itself is wrong; a person must look.
    """

    async def charge(self, attempt: Attempt) -> Charge:
        """Take the money of this attempt, at most once for its key. A decline is an answer."""

    async def find(self, attempt: Attempt) -> Charge | None:
        """Ask where the intent of the attempt's checkout stands, by reference or by our own id; None if none is seen.

        None is not a promise: a request may still be on its way.
        """

    async def void(self, attempt: Attempt) -> Charge | None:
        """Make sure that this attempt can never capture any more, and say what it had come to.

        Answers `captured` when it was too late for that (then refund), None when nothing had reached the provider and
        nothing of it can take effect from now on.
        """

    async def refund(self, attempt: Attempt, provider_reference: str, amount_minor: int) -> Refund:
        """Give back ``amount_minor`` minor units of the intent, at most once for the attempt."""

    def ledger(self, created_from: int, created_to: int) -> AsyncGenerator[LedgerEntry, None]:
        """Every intent of ours that was made between the two Unix times in seconds, both included, newest first."""

    async def entry(self, provider_reference: str) -> LedgerEntry | None:
        """The one intent as the books have it now; None if there is no such intent of ours."""

    async def close(self) -> None:
        """Let go of the connections."""
