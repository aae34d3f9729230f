"""Refunding an intent, for an undo and for reconciliation alike: all that is left of it.

What stands at the provider counts, whoever made it. So every round looks first, and asks for what is left, under keys
that are recorded first. A key whose saved result is an error, or a refund that failed, is replaced: the provider keeps
the first result of a key for a day, long after its cause has gone. Asking again under another key can refund no more
than the charge was.
"""

from typing import Final

from checkout.db import refunds
from checkout.db.session import Database
from checkout.domain.errors import (
    ChargeDisputed,
    KeyUsedOtherwise,
    NothingLeftToRefund,
    ProviderError,
    ProviderUnavailable,
)
from checkout.domain.payments import CapturedPayment, Refund, RefundCall, RefundCause, RefundKey
from checkout.domain.states import RefundStatus
from checkout.payments.gateway import PaymentGateway

#: How often one execution looks and asks; the activity's own retry goes on from there.
_ROUNDS: Final = 3


class Refunds:
    """The one way to refund: it commits that the money is to be refunded, has it refunded, and commits the result.

    Raises, in both methods:
        OutcomeUnknown, ProviderUnavailable: not certain, or not possible, yet; the next retry looks again.
    """

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway

    async def refund(self, payment: CapturedPayment, cause: RefundCause) -> Refund:
        """Refund all that is left; returns the refund that made it whole, which may be pending still."""
        await refunds.start(self._database, payment, cause)
        return await self.follow_up(payment, cause)

    async def follow_up(self, payment: CapturedPayment, cause: RefundCause) -> Refund:
        """The same for money of which the provider holds nothing any more, or whose refund was committed before."""
        refund = await self._refund_all(payment)
        await refunds.record(self._database, payment, refund, cause)
        return refund

    async def _refund_all(self, payment: CapturedPayment) -> Refund:
        """Have the provider refund what is left.

        A charge that the customer's bank has in dispute counts as refunded, under the intent's own reference: the
        bank has taken the money, and then no refund can be made.
        """
        for _ in range(_ROUNDS):
            standing = await self._gateway.refunds(payment.provider_reference)
            left_minor = payment.captured_minor - sum(one.amount_minor for one in standing if one.counts)
            if left_minor <= 0:
                return _whole(standing, payment)
            try:
                if made := await self._ask(payment, left_minor, standing):
                    return made
            except ChargeDisputed:
                return Refund(
                    RefundStatus.SUCCEEDED, payment.provider_reference, payment.captured_minor, payment.currency
                )
        raise ProviderUnavailable(f"the refund of {payment.provider_reference} has not been made yet")

    async def _ask(self, payment: CapturedPayment, left_minor: int, standing: list[Refund]) -> Refund | None:
        """Ask for what is left; None when the provider has to be looked at again."""
        key = await self._present_key(payment)
        call = RefundCall(
            payment.checkout_id,
            payment.provider_reference,
            left_minor,
            payment.currency,
            key.idempotency_key,
            payment.deployment,
        )
        try:
            refund = await self._gateway.refund(call)
        except (KeyUsedOtherwise, NothingLeftToRefund) as error:
            await self._replace(key, payment, str(error))
            return None
        except ProviderError as error:
            if not error.is_saved:
                raise
            await self._replace(key, payment, str(error))
            return None
        if refund.counts and not _has_failed(refund, standing):
            return refund
        await self._replace(key, payment, f"the refund {refund.provider_reference} failed")
        return None

    async def _present_key(self, payment: CapturedPayment) -> RefundKey:
        if found := await refunds.newest_key(self._database, payment):
            return found
        first = payment.refund_key(1)
        await refunds.add_key(self._database, payment, first, "the first")
        return first

    async def _replace(self, key: RefundKey, payment: CapturedPayment, why: str) -> None:
        await refunds.add_key(self._database, payment, payment.refund_key(key.number + 1), why)


def _has_failed(refund: Refund, standing: list[Refund]) -> bool:
    """Whether a repeated result is of a refund that has failed since."""
    return refund.is_replay and any(
        one.provider_reference == refund.provider_reference and not one.counts for one in standing
    )


def _whole(standing: list[Refund], payment: CapturedPayment) -> Refund:
    """Of refunds that together gave back everything: one that is under way still, or else the newest."""
    counting = [one for one in standing if one.counts]
    pending = [one for one in counting if one.status is RefundStatus.PENDING]
    nothing = Refund(RefundStatus.SUCCEEDED, payment.provider_reference, 0, payment.currency)
    return next(iter(pending + counting), nothing)
