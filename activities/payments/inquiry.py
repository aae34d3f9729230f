"""Finding out what became of a payment: by looking, by stopping it, by a person's word."""

from temporalio import activity

from activities.heartbeat import with_heartbeat
from activities.payments.attempts import Attempts
from activities.payments.provider_account import ProviderAccount
from checkout.db import attempts
from checkout.db.session import Database
from checkout.domain.errors import (
    Contradicted,
    NotAtProvider,
    OutcomeUnknown,
    ProviderHeld,
    ProviderRefusedCall,
    ProviderUnavailable,
)
from checkout.domain.messages import PaymentInQuestion, PaymentOutcome, Resolution
from checkout.domain.payments import Attempt, Charge
from checkout.domain.states import PaymentStatus
from checkout.payments.gateway import PaymentGateway


class PaymentInquiryActivities:
    """What a workflow asks of an attempt whose outcome is open."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway
        self._attempts = Attempts(database, gateway)
        self._account = ProviderAccount(database, gateway)

    @activity.defn
    async def look_up_payment(self, question: PaymentInQuestion) -> PaymentOutcome:
        """Where the provider says the attempt stands now. Nothing is charged.

        Raises:
            OutcomeUnknown, ProviderUnavailable: the provider does not say.
        """
        return await with_heartbeat(self._look_up(question))

    async def _look_up(self, question: PaymentInQuestion) -> PaymentOutcome:
        record = await self._attempts.read(question.checkout_id, question.attempt)
        if not record.is_open:
            return await self._attempts.committed_outcome(record)
        attempt = record.attempt
        try:
            charge = await self._attempts.look(attempt)
        except NotAtProvider as missing:
            await self._account.explain(missing)
        if charge is None:
            raise OutcomeUnknown("the provider does not know the payment (yet)")
        return await self._attempts.record(attempt, charge, question.actor, question.reason)

    @activity.defn
    async def settle_payment(self, question: PaymentInQuestion) -> PaymentOutcome:
        """Make sure that the attempt can never take money any more; returns what had become of it by then.

        Raises:
            OutcomeUnknown, ProviderUnavailable: the provider does not say, or cannot stop it.
        """
        return await with_heartbeat(self._settle(question))

    async def _settle(self, question: PaymentInQuestion) -> PaymentOutcome:
        record = await self._attempts.read(question.checkout_id, question.attempt)
        if not record.is_open:
            return await self._attempts.committed_outcome(record)
        attempt = record.attempt
        charge = await self._account.stop(attempt)
        if charge is None:
            await attempts.record_void(self._database, attempt, question.actor, question.reason)
            return PaymentOutcome(PaymentStatus.VOIDED)
        if charge.status.is_open:
            raise OutcomeUnknown(f"the provider cannot stop the payment yet: it is {charge.status}")
        return await self._attempts.record(attempt, charge, question.actor, question.reason)

    @activity.defn
    async def resolve_payment(self, resolution: Resolution) -> PaymentOutcome:
        """Take a person's word for an attempt, after asking the provider; while it does not respond, the word counts.

        Raises:
            Contradicted: the provider says otherwise; or it does not respond, and a capture has no proof.
        """
        return await with_heartbeat(self._resolve(resolution))

    async def _resolve(self, resolution: Resolution) -> PaymentOutcome:
        record = await self._attempts.read(resolution.checkout_id, resolution.attempt)
        if not record.is_open:
            return _agreed(record.outcome, resolution)
        attempt = record.attempt
        try:
            charge = await self._found(attempt, resolution)
        except ProviderHeld:
            raise  # The provider would tell, once our key is right. That is no silence in which a word counts.
        except (OutcomeUnknown, ProviderUnavailable):
            return await self._believe(attempt, resolution)
        except ProviderRefusedCall as refusal:
            if isinstance(refusal, NotAtProvider):
                await self._account.check(anew=True)
            raise Contradicted(f"the provider knows no such payment of this checkout: {refusal}") from refusal
        if charge is None and resolution.outcome == PaymentStatus.CAPTURED:
            raise Contradicted("the provider knows of no payment for this checkout")
        if charge is None:
            await attempts.record_void(self._database, attempt, resolution.actor, resolution.reason)
            return PaymentOutcome(PaymentStatus.VOIDED)
        if charge.status.is_open:
            raise Contradicted(f"the provider says that the payment is {charge.status}")
        if resolution.outcome == PaymentStatus.CAPTURED and charge.status != PaymentStatus.CAPTURED:
            # The look was for a capture. Whatever else it shows may be another attempt's.
            raise Contradicted(f"the provider says that the payment is {charge.status}")
        outcome = await self._attempts.record(attempt, charge, resolution.actor, resolution.reason)
        return _agreed(outcome, resolution)

    async def _found(self, attempt: Attempt, resolution: Resolution) -> Charge | None:
        if resolution.outcome == PaymentStatus.CAPTURED:
            typed = resolution.provider_reference
            claimed = attempt.claimed_under(typed) if typed and typed != attempt.provider_reference else attempt
            return await self._gateway.find(claimed)
        return await self._account.stop(attempt)

    async def _believe(self, attempt: Attempt, resolution: Resolution) -> PaymentOutcome:
        """The provider is silent. A capture needs its reference as a proof, which reconciliation checks later."""
        reference = resolution.provider_reference or attempt.provider_reference
        if resolution.outcome == PaymentStatus.VOIDED:
            await attempts.record_void(self._database, attempt, resolution.actor, resolution.reason)
            return PaymentOutcome(PaymentStatus.VOIDED, verified=False)
        if reference is None:
            raise Contradicted("the provider does not respond: give its reference of the payment as a proof")
        charge = Charge(PaymentStatus.CAPTURED, reference, attempt.amount_minor, attempt.currency)
        await self._attempts.record(attempt, charge, resolution.actor, resolution.reason)
        return PaymentOutcome(PaymentStatus.CAPTURED, verified=False)


def _agreed(outcome: PaymentOutcome, resolution: Resolution) -> PaymentOutcome:
    """What the provider says is committed by now and counts; the person learns of the difference."""
    if (outcome.status == PaymentStatus.CAPTURED) != (resolution.outcome == PaymentStatus.CAPTURED):
        raise Contradicted(f"the provider says that the payment is {outcome.status}")
    return outcome
