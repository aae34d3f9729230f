"""The port to the payment provider: what a checkout needs of it, in the checkout's own words.

One intent per checkout carries all of its attempts, so that the provider itself refuses a second capture. Every call
that changes something carries a key made of ids alone; the same key asks for the same thing and never does it twice.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from checkout.domain.states import PaymentStatus, RefundStatus


@dataclass(frozen=True)
class Attempt:
    """One try of a customer to pay, as its row knows it before anything is sent.

    ``idempotency_key`` is made of ids, and stays the same through every retry until the provider is seen to repeat an
    error that it had saved under it; ``key_started_at`` is when it was recorded, ``has_earlier_keys`` that it has
    replaced another. ``provider_reference`` is the checkout's intent where an earlier try made one; ``started_at`` is
    where to look when none is known. Both times are Unix times in seconds.

    ``is_claimed``: the reference is a person's word, and has to be that of an intent made for this very try.
    ``shares_intent``: the intent carries earlier tries as well. ``earlier_charges`` are the provider's ids of what came
    of those: a decline with one of them, or with none, says nothing of this try unless ``is_answered``, that is, unless
    the provider has told of this very try before. ``deployment`` is the mark that this deployment writes on what it
    makes.
    """

    checkout_id: str
    number: int
    idempotency_key: str
    payment_method: str
    amount_minor: int
    currency: str
    started_at: int
    provider_reference: str | None = None
    deployment: str = ""
    is_claimed: bool = False
    key_started_at: int | None = None
    has_earlier_keys: bool = False
    shares_intent: bool = False
    earlier_charges: tuple[str, ...] = ()
    is_answered: bool = False

    def with_reference(self, provider_reference: str | None) -> "Attempt":
        """The same attempt, to be looked for under this intent."""
        return replace(self, provider_reference=provider_reference)

    def claimed_under(self, provider_reference: str) -> "Attempt":
        """The same attempt, of which a person says that it made this intent."""
        return replace(self, provider_reference=provider_reference, is_claimed=True, shares_intent=False)

    def with_key(self, idempotency_key: str, started_at: int) -> "Attempt":
        """The same attempt, asked for under a new key."""
        return replace(self, idempotency_key=idempotency_key, key_started_at=started_at, has_earlier_keys=True)

    def on_its_own(self) -> "Attempt":
        """The same attempt, whose intent carries no earlier one."""
        return replace(self, shares_intent=False)

    def is_told_by(self, charge: "Charge") -> bool:
        """Whether what the intent shows is of this try, and not of one before it on the same intent.

        Money taken, a cancellation and a question to the customer are: an earlier try had ended before this one was
        begun. A decline may be the earlier one's, for as long as nobody knows whether this try was executed.
        """
        if charge.status is not PaymentStatus.DECLINED or self.is_answered or not self.shares_intent:
            return True
        return charge.latest_charge is not None and charge.latest_charge not in self.earlier_charges


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
    """Where the provider says a refund stands. ``is_replay``: it repeats what it said when the key was first used."""

    status: RefundStatus
    provider_reference: str
    amount_minor: int
    currency: str
    is_replay: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class RefundCall:
    """``amount_minor`` minor units of an intent to be given back, asked for under ``idempotency_key``."""

    checkout_id: str
    provider_reference: str
    amount_minor: int
    currency: str
    idempotency_key: str
    deployment: str = ""


@dataclass(frozen=True)
class LedgerEntry:
    """One intent in the provider's books; ``created`` is Unix time in seconds.

    ``captured_minor`` is what was ever taken, ``refunded_minor`` what of it was given back or is on its way back,
    ``disputed_minor`` what a bank has taken back. ``deployment`` is the mark of the deployment that made it, if it has
    one. ``attempt`` is 0 where the intent does not say.
    """

    provider_reference: str
    checkout_id: str
    attempt: int
    status: PaymentStatus
    captured_minor: int
    refunded_minor: int
    currency: str
    created: int
    disputed_minor: int = 0
    deployment: str | None = None

    @property
    def held_minor(self) -> int:
        """What of the customer's money we hold, in minor units."""
        return self.captured_minor - self.refunded_minor - self.disputed_minor

    @property
    def may_still_capture(self) -> bool:
        """Whether money may come of it without our doing anything more."""
        return self.status in (PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION)


@dataclass(frozen=True)
class OddEntry:
    """An intent in the books that names a checkout or a deployment, and cannot be read. ``why`` is a sentence."""

    provider_reference: str
    created: int
    why: str
    deployment: str | None = None


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
