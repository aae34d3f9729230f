"""Giving an intent's money back, for whoever needs it: all that is left of it, under keys that are recorded first.

What stands at the provider counts, whoever made it. So every round looks first, and asks for what is left. A key whose
saved answer is an error, or a refund that failed, is replaced: the provider keeps the first answer of a key for a day,
long after its cause has gone. Asking again under another key can give back no more than the charge was.
"""

from dataclasses import dataclass, replace
from typing import Final

from checkout.db import payments
from checkout.db.session import Database
from checkout.domain.errors import (
    ChargeDisputed,
    KeyUsedOtherwise,
    NothingLeftToRefund,
    ProviderError,
    ProviderUnavailable,
)
from checkout.domain.states import RefundStatus
from checkout.payments.gateway import PaymentGateway, Refund, RefundCall

#: How often one execution looks and asks; the activity's own retry goes on from there.
_ROUNDS: Final = 3


@dataclass(frozen=True)
class Taken:
    """What was taken with an intent, in minor units."""

    checkout_id: str
    provider_reference: str
    captured_minor: int
    currency: str
    deployment: str = ""


@dataclass(frozen=True)
class _Key:
    text: str
    number: int


class Refunds:
    """Gives back what is left of an intent's money."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway

    async def give_back(self, taken: Taken) -> Refund:
        """Give back all that is left; the refund that made it whole, which may be pending still.

        A charge that the customer's bank has in dispute counts as given back, under the intent's own reference: the
        bank has taken the money, and lets nobody else give it back.

        Raises:
            OutcomeUnknown, ProviderUnavailable: not certain, or not possible, yet; the next retry looks again.
        """
        for _ in range(_ROUNDS):
            standing = await self._gateway.refunds(taken.provider_reference)
            left_minor = taken.captured_minor - sum(one.amount_minor for one in standing if _stands(one))
            if left_minor <= 0:
                return _whole(standing, taken)
            try:
                if made := await self._ask(taken, left_minor, standing):
                    return made
            except ChargeDisputed:
                return Refund(RefundStatus.SUCCEEDED, taken.provider_reference, taken.captured_minor, taken.currency)
        raise ProviderUnavailable(f"the refund of {taken.provider_reference} has not been made yet")

    async def _ask(self, taken: Taken, left_minor: int, standing: list[Refund]) -> Refund | None:
        """Ask for what is left; None when the provider has to be looked at again."""
        key = await self._present_key(taken)
        call = RefundCall(
            taken.checkout_id, taken.provider_reference, left_minor, taken.currency, key.text, taken.deployment
        )
        try:
            refund = await self._gateway.refund(call)
        except (KeyUsedOtherwise, NothingLeftToRefund) as error:
            await self._replace(key, taken, str(error))
            return None
        except ProviderError as error:
            if not error.is_saved:
                raise
            await self._replace(key, taken, str(error))
            return None
        if _stands(refund) and not _has_failed(refund, standing):
            return refund
        await self._replace(key, taken, f"the refund {refund.provider_reference} failed")
        return None

    async def _present_key(self, taken: Taken) -> _Key:
        found = await self._database.one(
            payments.REFUND_KEYS, {"checkout_id": taken.checkout_id, "provider_reference": taken.provider_reference}
        )
        if found:
            return _Key(found.idempotency_key, found.number)
        first = _Key(first_refund_key(taken), 1)
        await self._note(first, taken, "the first")
        return first

    async def _replace(self, key: _Key, taken: Taken, why: str) -> None:
        number = key.number + 1
        await self._note(replace(key, text=f"{first_refund_key(taken)}-{number}", number=number), taken, why)

    async def _note(self, key: _Key, taken: Taken, why: str) -> None:
        await self._database.run(
            payments.NEW_REFUND_KEY,
            {
                "idempotency_key": key.text,
                "number": key.number,
                "checkout_id": taken.checkout_id,
                "provider_reference": taken.provider_reference,
                "why": why,
            },
        )


def first_refund_key(taken: Taken) -> str:
    """The key under which an intent's refund is asked for first: made of ids alone."""
    return f"{taken.checkout_id}-{taken.provider_reference}-refund"


def _stands(refund: Refund) -> bool:
    return refund.status is not RefundStatus.FAILED


def _has_failed(refund: Refund, standing: list[Refund]) -> bool:
    """Whether a repeated answer tells of a refund that failed since."""
    return refund.is_replay and any(
        one.provider_reference == refund.provider_reference and not _stands(one) for one in standing
    )


def _whole(standing: list[Refund], taken: Taken) -> Refund:
    """Of refunds that together gave back everything: one that is under way still, or else the newest."""
    stand = [one for one in standing if _stands(one)]
    pending = [one for one in stand if one.status is RefundStatus.PENDING]
    nothing = Refund(RefundStatus.SUCCEEDED, taken.provider_reference, 0, taken.currency)
    return next(iter(pending + stand), nothing)
