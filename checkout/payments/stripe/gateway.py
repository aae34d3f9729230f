"""The gateway to Stripe, and to whatever speaks Stripe's API (https://docs.stripe.com/api/payment_intents)."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import stripe

from checkout.config.settings import PaymentSettings
from checkout.domain.errors import (
    AmountRefused,
    NotAtProvider,
    OutcomeUnknown,
    PaymentMethodRefused,
    ProviderRefusedCall,
)
from checkout.domain.payments import Attempt, Charge, LedgerEntry, OddEntry, Refund, RefundCall
from checkout.domain.states import PaymentStatus
from checkout.payments.stripe.amounts import to_stripe
from checkout.payments.stripe.api import StripeApi, StripeResponse
from checkout.payments.stripe.error_table import MONEY_REFUSED, ProviderCall, code_of
from checkout.payments.stripe.errors import is_replay, named_intent, translate, translated
from checkout.payments.stripe.intents import (
    FENCE,
    creation,
    intent_of,
    is_of,
    is_payment,
    metadata_of,
    path_of,
)
from checkout.payments.stripe.objects import (
    Object,
    read_any_entry,
    read_charge,
    read_entry,
    read_refund,
)

_INTENTS: Final = "/v1/payment_intents"
_REFUNDS: Final = "/v1/refunds"
_DISPUTES: Final = "/v1/disputes"
_WRONG_STATE: Final = "payment_intent_unexpected_state"
# How long a key is remembered for certain (https://docs.stripe.com/api/idempotent_requests), and how far the provider's
# clock may be from ours.
_KEY_LIFE_SECONDS: Final = 86_400
_SKEW_SECONDS: Final = 300
# Longer than the provider works at one request (the package itself gives it 80 s).
_LONGEST_REQUEST_SECONDS: Final = 120
# Where an intent of an attempt may be, in seconds from its start. Most lie in the first, short window, so that a look
# seldom reads more than a page. The last one ends where the newest key does.
_WINDOWS: Final = ((-_SKEW_SECONDS, 119), (120, 3599), (3600, _KEY_LIFE_SECONDS + _SKEW_SECONDS))
# An intent with its charge is some 8 KB of JSON, and a response may not be longer than 1 MiB.
_LEDGER_PAGE: Final = 50
# What an attempt with several intents had come to: the first of these that one of them is.
_STRONGEST: Final = (PaymentStatus.CAPTURED, PaymentStatus.PENDING, PaymentStatus.VOIDED)


class StripeGateway:
    """`PaymentGateway` on the official package."""

    def __init__(self, settings: PaymentSettings) -> None:
        self._return_url = settings.payment_return_url
        #: Before this time the shop's payments were in another account or mode.
        self.account_since = settings.stripe_account_since
        self._api = StripeApi(settings)

    async def charge(self, attempt: Attempt) -> Charge:
        """Take the money of this attempt, at most once for its key: one call, in the good case.

        What is returned was said under this attempt's own key, so it is of this attempt. One whose key is older than
        its life is not charged again; its outcome is `OutcomeUnknown` without a call.
        """
        _require_living_key(attempt)
        with translated(ProviderCall.CHARGE):
            try:
                response = await self._confirm(attempt)
            except stripe.CardError as error:
                return read_charge(intent_of(error))
            except stripe.InvalidRequestError as error:
                if attempt.provider_reference is None or code_of(error) != _WRONG_STATE:
                    raise
                return await self._changed_meanwhile(attempt, error)
            charge = read_charge(response.data)
            if response.is_replay and charge.status is not PaymentStatus.CAPTURED:
                # A saved response tells how it was when it was saved.
                return read_charge(await self._retrieve(attempt, charge.provider_reference))
            return charge

    async def find(self, attempt: Attempt) -> Charge | None:
        """Ask where the intent of the attempt's checkout stands; None if none is seen."""
        with translated():
            found = await self._look(attempt)
            return read_charge(found[0]) if found else None

    async def void(self, attempt: Attempt) -> Charge | None:
        """Cancel the intent; where none is known, use up the key, so that a call still on its way can do nothing."""
        with translated():
            if attempt.provider_reference is not None:
                return await self._cancel(attempt, attempt.provider_reference)
            found = await self._fenced(attempt)
            charges = [await self._cancel(attempt, read_charge(intent).provider_reference) for intent in found]
        return min(charges, key=lambda charge: _STRONGEST.index(charge.status), default=None)

    async def refund(self, call: RefundCall) -> Refund:
        """Give money back, at most once for the key."""
        with translated(ProviderCall.REFUND):
            response = await self._api.send(
                "post",
                _REFUNDS,
                call.idempotency_key,
                payment_intent=call.provider_reference,
                amount=to_stripe(call.amount_minor, call.currency),
                metadata=metadata_of(call.checkout_id, call.deployment),
            )
            return read_refund(response.data, is_replay=response.is_replay)

    async def refunds(self, provider_reference: str) -> list[Refund]:
        """Every refund of the intent, whoever made it, newest first."""
        with translated():
            return [read_refund(one) for one in await self._api.listed(_REFUNDS, payment_intent=provider_reference)]

    async def ledger(self, created_from: int, created_to: int) -> AsyncGenerator[LedgerEntry | OddEntry, None]:
        """Every intent of that time that names a checkout, newest first; each call fetches a page with its charges."""
        created = {"gte": created_from, "lte": created_to}
        with translated():
            pages = self._api.pages(_INTENTS, _LEDGER_PAGE, created=created, expand=["data.latest_charge"])
            async with aclosing(pages):
                async for page in pages:
                    for intent in filter(is_payment, page):
                        yield read_any_entry(intent, await self._disputes(intent))

    async def entry(self, provider_reference: str) -> LedgerEntry | None:
        """The one intent as the books have it now; None if there is no such intent that names a checkout."""
        with translated():
            try:
                intent = (await self._api.send("get", path_of(provider_reference), expand=["latest_charge"])).data
            except stripe.InvalidRequestError as error:
                if code_of(error) != "resource_missing":
                    raise
                return None
            return read_entry(intent, await self._disputes(intent)) if is_payment(intent) else None

    async def sees(self, provider_reference: str) -> bool:
        """Whether the account of our key has this intent."""
        try:
            with translated():
                await self._api.send("get", path_of(provider_reference))
        except NotAtProvider:
            return False
        return True

    async def close(self) -> None:
        """Let go of the connections."""
        await self._api.close()

    async def _confirm(self, attempt: Attempt) -> StripeResponse:
        payment = {"payment_method": attempt.payment_method}
        if self._return_url is not None:
            payment["return_url"] = self._return_url
        if attempt.provider_reference is not None:
            path = f"{path_of(attempt.provider_reference)}/confirm"
            return await self._api.send("post", path, attempt.idempotency_key, **payment)
        params = creation(attempt) | payment
        return await self._api.send("post", _INTENTS, attempt.idempotency_key, **params, confirm=True)

    async def _changed_meanwhile(self, attempt: Attempt, error: stripe.StripeError) -> Charge:
        """The charge of an intent that was paid, cancelled or sent to the bank meanwhile, as it is now.

        Raises:
            OutcomeUnknown: it is declined now, and nothing tells of which try.
        """
        charge = read_charge(await self._retrieve(attempt, attempt.provider_reference or ""))
        if charge.status in (PaymentStatus.DECLINED, PaymentStatus.PROCESSING):
            text = f"{charge.provider_reference} changed while it was being charged; it is {charge.status} now"
            raise OutcomeUnknown(text, is_saved=is_replay(error))
        return charge

    async def _look(self, attempt: Attempt) -> list[Object]:
        """The attempt's intents, the one that took the money first, then the newest."""
        if attempt.provider_reference is not None:
            return [await self._retrieve(attempt, attempt.provider_reference)]
        newest_key = max(0, (attempt.key_started_at or attempt.started_at) - attempt.started_at)
        for first, last in (*_WINDOWS[:-1], (_WINDOWS[-1][0], _WINDOWS[-1][1] + newest_key)):
            if attempt.started_at + first > time.time() + _SKEW_SECONDS:
                break
            created = {"gte": attempt.started_at + first, "lte": attempt.started_at + last}
            if found := await self._api.listed(_INTENTS, is_of(attempt), created=created):
                return sorted(found, key=lambda one: (one.get("status") != "succeeded", -one.get("created", 0)))
        return []

    async def _retrieve(self, attempt: Attempt, reference: str) -> Object:
        intent = (await self._api.send("get", path_of(reference))).data
        # A reference that the provider gave us is right whatever people write on the intent; a person's may not be.
        if attempt.is_claimed and not is_of(attempt)(intent):
            raise ProviderRefusedCall(f"the provider's {reference} was not made for this try of {attempt.checkout_id}")
        return intent

    async def _cancel(self, attempt: Attempt, reference: str) -> Charge:
        try:
            # Under a key of its own each time: a cancellation cannot happen twice, and a saved "cannot be cancelled
            # now" would be repeated when it can.
            return read_charge((await self._api.send("post", f"{path_of(reference)}/cancel")).data)
        except stripe.InvalidRequestError as error:
            if code_of(error) != _WRONG_STATE:
                raise
        charge = read_charge(await self._retrieve(attempt, reference))
        if charge.status in _STRONGEST:
            return charge
        raise OutcomeUnknown(f"{reference} changed while it was being cancelled; it is {charge.status} now")

    async def _fenced(self, attempt: Attempt) -> list[Object]:
        """Use the attempt's key up; the intents of what had been sent before, and none only if nothing had been."""
        try:
            await self._fence(attempt)
        except stripe.IdempotencyError:
            return await self._what_was_sent(attempt)
        except stripe.APIError:
            # The first request is still being executed, perhaps. What it has made by now can be stopped all the same.
            if found := await self._look(attempt):
                return found
            raise
        # Nothing has come under this key, if the provider still knows it. Under one before it, something may have.
        return await self._look(attempt) if attempt.has_earlier_keys or not _is_living(attempt) else []

    async def _fence(self, attempt: Attempt) -> None:
        try:
            params = creation(attempt, purpose=FENCE)
            fence = await self._api.send("post", _INTENTS, attempt.idempotency_key, **params, confirm=False)
        except AmountRefused:
            return  # It is the attempt's amount as well, which therefore cannot pass.
        except stripe.StripeError as error:
            # An error that is repeated was saved for this very request; the key is used up by it.
            if is_replay(error) or _is_of_the_money(error):
                return
            raise
        await self._cancel(attempt, read_charge(fence.data).provider_reference)

    async def _what_was_sent(self, attempt: Attempt) -> list[Object]:
        """The attempt has been executed under its key. Sent once more, it only repeats its saved response."""
        if not _is_living(attempt):
            return await self._look(attempt)
        try:
            return [(await self._confirm(attempt)).data]
        except stripe.CardError as error:
            return [intent_of(error)]
        except stripe.IdempotencyError:
            # It had other parameters (a return URL that was changed since). A look tells what it made, once it is over.
            found = await self._look(attempt)
            if not found and not _is_over(attempt):
                raise
            return found
        except stripe.InvalidRequestError as error:
            # The request was refused (no such payment method, say). The error names the intent that it made, if any.
            return [intent for intent in [named_intent(error)] if intent]
        except stripe.APIError as error:
            found = await self._look(attempt)
            if not found and not is_replay(error):
                raise
            return found

    async def _disputes(self, intent: Object) -> list[Object] | None:
        """The disputes of the intent's charge; None where the provider does not list them."""
        charge = intent.get("latest_charge")
        if not isinstance(charge, dict) or not charge.get("disputed"):
            return []
        try:
            return await self._api.listed(_DISPUTES, payment_intent=intent["id"])
        except (stripe.InvalidRequestError, stripe.PermissionError):
            return None


def _is_of_the_money(error: stripe.StripeError) -> bool:
    """Whether the provider refuses the amount or the currency, which are the attempt's as well."""
    refused = translate(error, ProviderCall.CHARGE)
    return isinstance(refused, PaymentMethodRefused) and refused.decline_code in MONEY_REFUSED


def _is_living(attempt: Attempt) -> bool:
    """Whether the provider still knows for certain what was sent under the attempt's key."""
    return _age_seconds(attempt) <= _KEY_LIFE_SECONDS - _SKEW_SECONDS


def _is_over(attempt: Attempt) -> bool:
    """Whether no request that was sent when the key was new can be running any more."""
    return _age_seconds(attempt) > _LONGEST_REQUEST_SECONDS


def _age_seconds(attempt: Attempt) -> float:
    return time.time() - (attempt.key_started_at or attempt.started_at)


def _require_living_key(attempt: Attempt) -> None:
    if not _is_living(attempt):
        # What it made by then can be seen, and nothing more comes of it: as good as saved.
        raise OutcomeUnknown("the provider may have forgotten the attempt's key, and would charge again", is_saved=True)
