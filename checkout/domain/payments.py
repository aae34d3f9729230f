"""Paying and giving back, as the shop sees it: attempts, charges, refunds, and the provider's books.

Amounts are minor units; times are Unix times in seconds.
"""

from dataclasses import dataclass, field, replace

from checkout.domain.messages import PaymentOutcome
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason, RefundStatus


@dataclass(frozen=True)
class Attempt:
    """One try of a customer to pay, as it is known before anything is sent.

    ``idempotency_key`` is made of ids, and stays the same through every retry until the provider is seen to repeat an
    error that it had saved under it; ``key_started_at`` is when it was recorded, ``has_earlier_keys`` that it has
    replaced another. ``provider_reference`` is the checkout's intent where an earlier try made one; ``started_at`` is
    where to look when none is known.

    ``is_claimed``: the reference is a person's word, and has to be that of an intent made for this very try.
    ``shares_intent``: the intent carries earlier tries as well. ``earlier_charges`` are the provider's ids of what came
    of those. ``is_reported``: the provider has told the result of this very try before. ``deployment`` is the mark that
    this deployment writes on what it makes.
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
    is_reported: bool = False

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

    @property
    def key_number(self) -> int:
        """Which of the attempt's keys its present one is, counted from 1."""
        more = self.idempotency_key.removeprefix(first_charge_key(self.checkout_id, self.number)).removeprefix("-")
        return int(more) if more else 1

    def made(self, charge: "Charge") -> bool:
        """Whether what the intent shows came of this try, and not of one before it on the same intent.

        Money taken, a cancellation and a question to the customer did: an earlier try had ended before this one was
        begun. A decline may be the earlier one's, for as long as nobody knows whether this try was executed: one with
        an earlier charge, or with none, says nothing of this try.
        """
        if charge.status is not PaymentStatus.DECLINED or self.is_reported or not self.shares_intent:
            return True
        return charge.latest_charge is not None and charge.latest_charge not in self.earlier_charges

    def has_result_in(self, charge: "Charge") -> bool:
        """Whether what the provider shows says what became of this very try."""
        return charge.status is not PaymentStatus.PROCESSING and self.made(charge)

    def outcome_of(self, charge: "Charge") -> PaymentOutcome:
        """What the workflow learns of a charge; a capture of anything but what was asked for is refused."""
        fits = (charge.captured_minor, charge.currency) == (self.amount_minor, self.currency)
        is_wrong = charge.status is PaymentStatus.CAPTURED and not fits
        return PaymentOutcome(
            charge.status,
            refusal=Reason.AMOUNT_MISMATCH if is_wrong else None,
            decline_code=charge.decline_code,
            retryable=charge.retryable,
            next_action_url=charge.next_action_url,
        )

    def captured_by(self, charge: "Charge") -> "CapturedPayment":
        """The money that this attempt has taken with the charge."""
        return CapturedPayment(
            self.checkout_id,
            self.number,
            charge.provider_reference,
            charge.captured_minor,
            charge.currency,
            self.deployment,
        )


def first_charge_key(checkout_id: str, attempt: int) -> str:
    """The idempotency key under which an attempt is charged first: made of ids alone."""
    return f"{checkout_id}-{attempt}"


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
class AttemptRecord:
    """An attempt as the tables have it: with what has come of it so far.

    ``checkout_is_open``: it may still be bought. ``held``: why no payment can be taken at present.
    ``captured`` is the charge that took the money, once one has.
    """

    attempt: Attempt
    status: PaymentStatus
    checkout_is_open: bool
    decline_code: str | None = None
    captured: Charge | None = None
    held: Reason | None = None

    @property
    def is_open(self) -> bool:
        """Whether the provider, the bank or the customer may still change the outcome."""
        return self.status.is_open

    @property
    def outcome(self) -> PaymentOutcome:
        """What the workflow learns of an attempt whose outcome was committed before."""
        wrong = self.status is PaymentStatus.CAPTURED and (
            self.captured is None or self.attempt.outcome_of(self.captured).refusal is not None
        )
        return PaymentOutcome(self.status, Reason.AMOUNT_MISMATCH if wrong else None, self.decline_code)


@dataclass(frozen=True)
class CapturedPayment:
    """Money that was taken with an intent. ``attempt`` is the number of the attempt, 0 where none is known."""

    checkout_id: str
    attempt: int
    provider_reference: str
    captured_minor: int
    currency: str
    deployment: str = ""

    def refund_key(self, number: int) -> "RefundKey":
        """The key of this number, counted from 1, under which its refund is asked for: made of ids alone."""
        first = f"{self.checkout_id}-{self.provider_reference}-refund"
        return RefundKey(first if number == 1 else f"{first}-{number}", number)


@dataclass(frozen=True)
class RefundKey:
    """A key under which a refund is asked for; one with a higher number has replaced those before it."""

    idempotency_key: str
    number: int


@dataclass(frozen=True)
class RefundCause:
    """Who has a payment refunded, and why. ``is_orphan``: reconciliation has found that no sale counts on it."""

    actor: str
    reason: str
    is_orphan: bool = False


@dataclass(frozen=True)
class Refund:
    """Where the provider says a refund stands. ``is_replay``: it repeats what it said when the key was first used."""

    status: RefundStatus
    provider_reference: str
    amount_minor: int
    currency: str
    is_replay: bool = field(default=False, compare=False)

    @property
    def counts(self) -> bool:
        """Whether its money was refunded, or is on its way back."""
        return self.status is not RefundStatus.FAILED


@dataclass(frozen=True)
class RefundCall:
    """``amount_minor`` minor units of an intent to be refunded, asked for under ``idempotency_key``."""

    checkout_id: str
    provider_reference: str
    amount_minor: int
    currency: str
    idempotency_key: str
    deployment: str = ""


@dataclass(frozen=True)
class LedgerEntry:
    """One intent in the provider's books.

    ``captured_minor`` is what was ever taken, ``refunded_minor`` what of it was refunded or is on its way back,
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


@dataclass(frozen=True)
class IntentRecord:
    """What the tables say of an intent in the provider's books.

    ``status`` is its checkout's, None where there is no such checkout. ``kept`` is the charge that the checkout counts
    on, which may be another intent's. ``is_recorded``: an attempt is known to have made the intent. ``deployment`` is
    the mark of what this deployment makes.
    """

    status: CheckoutStatus | None
    deployment: str
    is_recorded: bool
    kept: Charge | None = None
    refund_is_unfinished: bool = False

    def is_ours(self, entry: LedgerEntry | OddEntry) -> bool:
        """Whether this deployment made the intent, for certain. Another program's may name a checkout of its own."""
        return self.is_recorded or entry.deployment == self.deployment

    @property
    def is_under_way(self) -> bool:
        """Whether its checkout has not ended."""
        return self.status is not None and not self.status.is_final
