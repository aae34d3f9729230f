"""Finding out what became of a payment: by looking, by settling it for good, by a person's word."""

from temporalio import activity

from activities.heartbeat import with_heartbeat
from activities.payments.attempts import OPEN, Attempts, answer_from_charge, answer_from_row, attempt_of
from activities.payments.provider_account import ProviderAccount
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
from checkout.domain.states import PaymentStatus
from checkout.payments.gateway import Attempt, Charge, PaymentGateway


class PaymentInquiryActivities:
    """What a workflow asks about an attempt that has neither succeeded nor failed."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
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
        row = await self._attempts.read(question.checkout_id, question.attempt)
        if row.status not in OPEN:
            return await self._attempts.answered(row)
        attempt = attempt_of(row)
        try:
            charge = await self._attempts.look(attempt)
        except NotAtProvider as missing:
            await self._account.explain(missing)
            raise
        if charge is None:
            raise OutcomeUnknown("the provider does not know the payment (yet)")
        return await self._recorded(attempt, charge, question.actor, question.reason)

    @activity.defn
    async def settle_payment(self, question: PaymentInQuestion) -> PaymentOutcome:
        """Make sure that the attempt can never take money any more, and answer what it had come to by then.

        Raises:
            OutcomeUnknown, ProviderUnavailable: the provider does not say, or cannot stop it.
        """
        return await with_heartbeat(self._settle(question))

    async def _settle(self, question: PaymentInQuestion) -> PaymentOutcome:
        row = await self._attempts.read(question.checkout_id, question.attempt)
        if row.status not in OPEN:
            return await self._attempts.answered(row)
        attempt = attempt_of(row)
        charge = await self._stopped(attempt)
        if charge is None:
            await self._attempts.record_void(attempt, question.actor, question.reason)
            return PaymentOutcome(PaymentStatus.VOIDED)
        if charge.status in OPEN:
            raise OutcomeUnknown(f"the provider cannot stop the payment yet: it is {charge.status}")
        return await self._recorded(attempt, charge, question.actor, question.reason)

    async def _stopped(self, attempt: Attempt) -> Charge | None:
        """What the attempt had come to when it was stopped. Nothing counts only in the account where it would be."""
        if attempt.provider_reference is None:
            await self._account.check(anew=True)
        try:
            return await self._gateway.void(attempt)
        except NotAtProvider as missing:
            await self._account.explain(missing)
            raise

    @activity.defn
    async def resolve_payment(self, resolution: Resolution) -> PaymentOutcome:
        """Take a person's word for an attempt, after asking the provider; without an answer the word alone counts.

        Raises:
            Contradicted: the provider answers, and says otherwise; or a capture has neither proof nor answer.
        """
        return await with_heartbeat(self._resolve(resolution))

    async def _resolve(self, resolution: Resolution) -> PaymentOutcome:
        row = await self._attempts.read(resolution.checkout_id, resolution.attempt)
        if row.status not in OPEN:
            return self._agreed(answer_from_row(row), resolution)
        attempt = attempt_of(row)
        try:
            charge = await self._ask(attempt, resolution)
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
            await self._attempts.record_void(attempt, resolution.actor, resolution.reason)
            return PaymentOutcome(PaymentStatus.VOIDED)
        if charge.status in OPEN:
            raise Contradicted(f"the provider says that the payment is {charge.status}")
        if resolution.outcome == PaymentStatus.CAPTURED and charge.status != PaymentStatus.CAPTURED:
            # The look was for a capture. Whatever else it shows may be another try's.
            raise Contradicted(f"the provider says that the payment is {charge.status}")
        answer = await self._recorded(attempt, charge, resolution.actor, resolution.reason)
        return self._agreed(answer, resolution)

    async def _ask(self, attempt: Attempt, resolution: Resolution) -> Charge | None:
        if resolution.outcome == PaymentStatus.CAPTURED:
            typed = resolution.provider_reference
            claimed = attempt.claimed_under(typed) if typed and typed != attempt.provider_reference else attempt
            return await self._gateway.find(claimed)
        return await self._stopped(attempt)

    async def _believe(self, attempt: Attempt, resolution: Resolution) -> PaymentOutcome:
        """The provider is silent. A capture needs its reference as a proof, which reconciliation checks later."""
        reference = resolution.provider_reference or attempt.provider_reference
        if resolution.outcome == PaymentStatus.VOIDED:
            await self._attempts.record_void(attempt, resolution.actor, resolution.reason)
            return PaymentOutcome(PaymentStatus.VOIDED, verified=False)
        if reference is None:
            raise Contradicted("the provider does not answer: give its reference of the payment as a proof")
        charge = Charge(PaymentStatus.CAPTURED, reference, attempt.amount_minor, attempt.currency)
        await self._attempts.record(attempt, charge, resolution.actor, resolution.reason)
        return PaymentOutcome(PaymentStatus.CAPTURED, verified=False)

    async def _recorded(self, attempt: Attempt, charge: Charge, actor: str, reason: str | None) -> PaymentOutcome:
        await self._attempts.record(attempt, charge, actor, reason)
        return answer_from_charge(attempt, charge)

    def _agreed(self, answer: PaymentOutcome, resolution: Resolution) -> PaymentOutcome:
        """What the provider says is committed by now and counts; the person learns of the difference."""
        if (answer.status == PaymentStatus.CAPTURED) != (resolution.outcome == PaymentStatus.CAPTURED):
            raise Contradicted(f"the provider says that the payment is {answer.status}")
        return answer
