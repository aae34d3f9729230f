"""Taking the money, and giving it back. No transaction is open while the provider is asked."""

import contextlib
from typing import Final

from temporalio import activity

from activities.heartbeat import with_heartbeat
from activities.payments.attempts import Attempts
from activities.payments.provider_account import ProviderAccount
from activities.payments.refunds import Refunds
from checkout.db import attempts, checkouts
from checkout.db.session import Database
from checkout.domain.errors import (
    NotAtProvider,
    OutcomeUnknown,
    PaymentMethodRefused,
    ProviderError,
    ProviderHeld,
    ProviderUnavailable,
    TooLate,
)
from checkout.domain.messages import ChargePayment, PaymentOutcome, Undo
from checkout.domain.payments import Attempt, AttemptRecord, Charge, RefundCause
from checkout.domain.states import PaymentStatus, RefundStatus
from checkout.payments.gateway import PaymentGateway

#: Our own decline code for a card that wants its holder to do something for which the provider gives no page.
_NO_PAGE: Final = "authentication_not_possible"
#: How often one execution asks: under the present key, and under one that replaces it.
_ROUNDS: Final = 2


class PaymentActivities:
    """`charge_payment` and its undo `refund_payment`."""

    def __init__(self, database: Database, gateway: PaymentGateway) -> None:
        self._database = database
        self._gateway = gateway
        self._attempts = Attempts(database, gateway)
        self._account = ProviderAccount(database, gateway)
        self._refunds = Refunds(database, gateway)

    @activity.defn
    async def charge_payment(self, request: ChargePayment) -> PaymentOutcome:
        """Take the money once, and return when it is certain what became of it, that it is still under way, or that
        no payment can be taken at present.

        The attempt is committed, the provider asked, the result committed. A retry finds the attempt and asks again
        with the same key; what the provider may have done in between is found out, never assumed. Once the provider is
        seen to repeat an error that it had saved, what stands there is looked at, and another key is recorded and used.

        Raises:
            TooLate: the checkout is being undone; nothing was sent.
            OutcomeUnknown: it is not known yet; the next retry asks again.
            ProviderUnavailable: nothing was done; the next retry asks again.
        """
        return await with_heartbeat(self._charge(request))

    async def _charge(self, request: ChargePayment) -> PaymentOutcome:
        record, is_new = await self._start(request)
        if not record.is_open:
            return await self._attempts.committed_outcome(record)
        if record.held and not record.attempt.is_reported:
            return await self._seen(record) or PaymentOutcome(PaymentStatus.UNKNOWN, held=record.held)
        return await self.ask(record.attempt, is_new=is_new)

    async def _start(self, request: ChargePayment) -> tuple[AttemptRecord, bool]:
        """The attempt, committed, and whether it is new."""
        if started := await attempts.start(self._database, request):
            return started, True
        found = await self._attempts.read(request.checkout_id, request.attempt)
        if found.is_open and not found.checkout_is_open:
            raise TooLate(f"checkout {request.checkout_id} is not open")
        return found, False

    async def _seen(self, record: AttemptRecord) -> PaymentOutcome | None:
        """While payments are held: what became of a request that had been sent before. Of none, nothing is asked."""
        if record.status is not PaymentStatus.UNKNOWN:
            return None
        with contextlib.suppress(ProviderError):
            if charge := await self._attempts.look(record.attempt):
                return await self._attempts.record(record.attempt, charge)
        return None

    async def ask(self, attempt: Attempt, *, is_new: bool = False) -> PaymentOutcome:
        """Ask the provider for an attempt that is committed; ``is_new``: nothing of it was ever sent before.

        Raises:
            As `charge_payment`.
        """
        try:
            await self._account.check()
            charge = await self._with_a_page(attempt, await self._ask(attempt))
        except ProviderHeld as held:  # Nothing of it was done.
            return PaymentOutcome(PaymentStatus.UNKNOWN, held=await self._account.hold(held))
        except PaymentMethodRefused as refused:
            return await self._refused(attempt, refused, is_new=is_new)
        return await self._attempts.record(attempt, charge)

    async def _ask(self, attempt: Attempt) -> Charge:
        for is_last in (False,) * (_ROUNDS - 1) + (True,):
            try:
                charge = await self._gateway.charge(attempt)
            except PaymentMethodRefused:
                raise
            except ProviderError as error:
                found = await self._what_stands(attempt, error)
                if isinstance(found, Charge):
                    return found
                if is_last or not error.is_saved:
                    raise
                attempt = await self._attempts.new_key(attempt, error, found)
                continue
            if charge.status == PaymentStatus.VOIDED and attempt.shares_intent and not is_last:
                # Somebody cancelled the earlier attempts' intent, which says nothing of this customer's new method.
                why = OutcomeUnknown(f"{charge.provider_reference} had been cancelled at the provider")
                attempt = await self._attempts.new_key(attempt, why, None)
                continue
            if charge.status == PaymentStatus.PROCESSING:
                raise await self._unknown(attempt, f"the provider has not tried {charge.provider_reference} yet")
            return charge
        raise await self._unknown(attempt, "the provider has not said what became of it")

    async def _what_stands(self, attempt: Attempt, error: ProviderError) -> Charge | str | None:
        """After an error: what the provider shows of the attempt, or else the intent to go on with, if there is one.

        Raises:
            OtherAccount: the provider does not know the intent, because our key is one of another account.
        """
        if isinstance(error, NotAtProvider):
            await self._account.explain(error)
        standing = None
        if isinstance(error, OutcomeUnknown) or error.is_saved:
            standing = await self._gateway.find(attempt)
        if standing and attempt.has_result_in(standing):
            return standing
        if isinstance(error, OutcomeUnknown):
            await attempts.record_unknown(self._database, attempt, str(error))
        if standing:
            return standing.provider_reference
        return attempt.provider_reference or error.provider_reference

    async def _unknown(self, attempt: Attempt, why: str) -> OutcomeUnknown:
        await attempts.record_unknown(self._database, attempt, why)
        return OutcomeUnknown(why)

    async def _with_a_page(self, attempt: Attempt, charge: Charge) -> Charge:
        """The charge, unless its customer would have to do something that we have no page for."""
        if charge.status != PaymentStatus.REQUIRES_ACTION or charge.next_action_url:
            return charge
        voided = await self._gateway.void(attempt.with_reference(charge.provider_reference))
        if voided and voided.status != PaymentStatus.VOIDED:
            return voided
        refused = PaymentMethodRefused("the provider gives no page on which the customer could authenticate")
        refused.decline_code, refused.provider_reference = _NO_PAGE, charge.provider_reference
        raise refused

    async def _refused(self, attempt: Attempt, refused: PaymentMethodRefused, *, is_new: bool) -> PaymentOutcome:
        """A decline; but where the same request may still be on its way, only once that can do nothing any more."""
        if not is_new:
            charge = await self._gateway.void(attempt)
            if charge and charge.status != PaymentStatus.VOIDED:
                return await self._attempts.record(attempt, charge)
        reference = refused.provider_reference or attempt.provider_reference
        await attempts.record_decline(self._database, attempt, refused.decline_code, reference)
        return PaymentOutcome(PaymentStatus.DECLINED, decline_code=refused.decline_code)

    @activity.defn
    async def refund_payment(self, undo: Undo) -> PaymentOutcome:
        """Make sure that no money of the checkout is taken or kept: void what was not captured, refund what was.

        The provider is asked about every attempt, whatever its row says. Returns where the last attempt ended. A
        `charge_payment` that comes later sends nothing.

        Raises:
            OutcomeUnknown, ProviderUnavailable: not certain yet; the next retry asks again.
            InvariantBroken: the checkout is confirmed, and its money stays taken.
        """
        return await with_heartbeat(self._undo(undo))

    async def _undo(self, undo: Undo) -> PaymentOutcome:
        await checkouts.begin_undo(self._database, undo)
        records = await attempts.of_checkout(self._database, undo.checkout_id)
        if not records:
            return PaymentOutcome(PaymentStatus.NONE)
        await self._account.check()
        settled: set[str] = set()
        outcomes = [await self._take_back(record, undo, settled) for record in records]
        return outcomes[0]

    async def _take_back(self, record: AttemptRecord, undo: Undo, settled: set[str]) -> PaymentOutcome:
        """Settle one attempt; ``settled`` are the intents that are so already, with the newest of their attempts."""
        attempt, status = record.attempt, record.status
        if attempt.provider_reference in settled and not status.is_open:
            return PaymentOutcome(status, decline_code=record.decline_code)
        # An intent that has succeeded stays so; what is left of it is asked for.
        charge = record.captured or await self._void(attempt, undo)
        status = charge.status if charge and status.is_open else status
        if charge and charge.status == PaymentStatus.CAPTURED:
            settled.add(charge.provider_reference)
            await self._refund(attempt, charge, undo)
            status = PaymentStatus.REFUNDED
        elif attempt.provider_reference:
            settled.add(attempt.provider_reference)
        return PaymentOutcome(PaymentStatus.VOIDED if status.is_open else status, decline_code=record.decline_code)

    async def _void(self, attempt: Attempt, undo: Undo) -> Charge | None:
        """Have the provider stop the attempt, and write down what it had come to."""
        charge = await self._account.stop(attempt)
        if charge and charge.status.is_open:
            raise OutcomeUnknown(f"the provider cannot stop the payment yet: it is {charge.status}")
        if charge and charge.status == PaymentStatus.CAPTURED:
            await attempts.record_capture(self._database, attempt, charge, undo.actor, undo.reason)
        elif charge:
            await attempts.record_charge(self._database, attempt, charge, undo.actor, undo.reason)
        else:
            await attempts.record_void(self._database, attempt, undo.actor, undo.reason)
        return charge

    async def _refund(self, attempt: Attempt, charge: Charge, undo: Undo) -> None:
        payment = attempt.captured_by(charge)
        try:
            refund = await self._refunds.refund(payment, RefundCause(undo.actor, undo.reason))
        except NotAtProvider as missing:
            await self._account.explain(missing)
        if refund.status != RefundStatus.SUCCEEDED:
            raise ProviderUnavailable(f"the refund {refund.provider_reference} is {refund.status}")
