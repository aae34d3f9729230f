"""The gateway to Stripe, and to whatever speaks Stripe's API (https://docs.stripe.com/api/payment_intents)."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import stripe

from checkout.config import PaymentSettings
from checkout.domain.errors import OutcomeUnknown, ProviderRefusedCall
from checkout.domain.states import PaymentStatus, RefundStatus
from checkout.payments.gateway import Attempt, Charge, LedgerEntry, Refund
from checkout.payments.stripe_amounts import to_stripe
from checkout.payments.stripe_errors import code_of, translated
from checkout.payments.stripe_http import BoundedClient
from checkout.payments.stripe_objects import Object, metadata, read_charge, read_entry, read_list, read_refund

_INTENTS = "/v1/payment_intents"
_REFUNDS = "/v1/refunds"
_WRONG_STATE = "payment_intent_unexpected_state"
_FENCE = "fence"
# How long a key is remembered for certain (https://docs.stripe.com/api/idempotent_requests), and how far the provider's
# clock may be from ours.
_KEY_LIFE_SECONDS = 86_400
_SKEW_SECONDS = 300
# Where an intent of an attempt may be, in seconds from its start. Most lie in the first, short window, so that a look
# seldom reads more than a page. The last one ends where the key does.
_WINDOWS = ((-_SKEW_SECONDS, 119), (120, 3599), (3600, _KEY_LIFE_SECONDS + _SKEW_SECONDS))
_MAX_PAGES = 200
# An intent with its charge is some 8 KB of JSON, and an answer may not be longer than 1 MiB.
_LEDGER_PAGE = 50


@dataclass(frozen=True)
class _Reply:
    data: Object
    is_replay: bool


class StripeGateway:
    """`PaymentGateway` on the official package.

    The package's own retries are off. Temporal retries instead, where an operator sees every try and its error, and
    where a retry survives this process.
    """

    def __init__(self, settings: PaymentSettings) -> None:
        # The package has no other switch for it. Without it, it measures our calls and tells Stripe.
        stripe.enable_telemetry = False
        self._return_url = settings.payment_return_url
        self._http = BoundedClient(settings.stripe_api_base, settings.provider_timeout_seconds)
        self._client = stripe.StripeClient(
            settings.stripe_api_key.get_secret_value(),
            base_addresses={"api": settings.stripe_api_base},
            max_network_retries=0,
            http_client=self._http,
        )

    async def charge(self, attempt: Attempt) -> Charge:
        """Take the money of this attempt, at most once for its key: one call, in the good case.

        An attempt older than its key's life is not charged again; its outcome is `OutcomeUnknown` without a call.
        """
        _require_living_key(attempt)
        with translated():
            try:
                reply = await self._confirm(attempt)
            except stripe.CardError as error:
                return read_charge(_intent_of(error))
            except stripe.InvalidRequestError as error:
                if attempt.provider_reference is None or code_of(error) != _WRONG_STATE:
                    raise
                # It has been paid, cancelled or sent to the bank meanwhile. What it is now is the answer.
                return read_charge(await self._retrieve(attempt, attempt.provider_reference))
            charge = read_charge(reply.data)
            if reply.is_replay and charge.status is not PaymentStatus.CAPTURED:
                # A saved answer tells how it was when it was saved.
                return read_charge(await self._retrieve(attempt, charge.provider_reference))
            return charge

    async def find(self, attempt: Attempt) -> Charge | None:
        """Ask where the intent of the attempt's checkout stands; None if none is seen."""
        with translated():
            intent = await self._look(attempt)
            return None if intent is None else read_charge(intent)

    async def void(self, attempt: Attempt) -> Charge | None:
        """Cancel the intent; where none is seen, use up the key, so that a call still on its way can do nothing."""
        with translated():
            intent = await self._look(attempt)
            if intent is not None:
                return await self._cancel(attempt, read_charge(intent).provider_reference)
            try:
                await self._fence(attempt)
            except stripe.IdempotencyError:
                return await self._cancel_what_was_sent(attempt)
            return None

    async def refund(self, attempt: Attempt, provider_reference: str, amount_minor: int) -> Refund:
        """Give back ``amount_minor`` minor units of the intent, at most once for the attempt."""
        with translated():
            earlier = await self._listed(_REFUNDS, _is_ours(attempt), payment_intent=provider_reference)
            if standing := _standing(earlier):
                return standing
            try:
                reply = await self._refund(attempt, provider_reference, amount_minor, tries=len(earlier))
            except stripe.InvalidRequestError as error:
                if code_of(error) != "charge_already_refunded":
                    raise
                if standing := _standing(await self._listed(_REFUNDS, payment_intent=provider_reference)):
                    return standing
                raise OutcomeUnknown(f"{provider_reference} is refunded, but no refund is seen yet") from None
            return read_refund(reply.data)

    async def ledger(self, created_from: int, created_to: int) -> AsyncGenerator[LedgerEntry, None]:
        """Every intent of ours of that time, newest first; each call fetches a page with the charges in it."""
        created = {"gte": created_from, "lte": created_to}
        with translated():
            async with aclosing(
                self._pages(_INTENTS, _LEDGER_PAGE, created=created, expand=["data.latest_charge"])
            ) as pages:
                async for page in pages:
                    for intent in filter(_is_payment, page):
                        yield read_entry(intent)

    async def entry(self, provider_reference: str) -> LedgerEntry | None:
        """The one intent as the books have it now; None if there is no such intent of ours."""
        with translated():
            try:
                intent = (await self._send("get", _path(provider_reference), expand=["latest_charge"])).data
            except stripe.InvalidRequestError as error:
                if code_of(error) != "resource_missing":
                    raise
                return None
            return read_entry(intent) if _is_payment(intent) else None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.close_async()

    async def _confirm(self, attempt: Attempt) -> _Reply:
        payment = {"payment_method": attempt.payment_method}
        if self._return_url is not None:
            payment["return_url"] = self._return_url
        if attempt.provider_reference is not None:
            path = f"{_path(attempt.provider_reference)}/confirm"
            return await self._send("post", path, attempt.idempotency_key, **payment)
        params = _creation(attempt) | payment
        return await self._send("post", _INTENTS, attempt.idempotency_key, **params, confirm=True)

    async def _look(self, attempt: Attempt) -> Object | None:
        if attempt.provider_reference is not None:
            return await self._retrieve(attempt, attempt.provider_reference)
        for first, last in _WINDOWS:
            if attempt.started_at + first > time.time() + _SKEW_SECONDS:
                break
            created = {"gte": attempt.started_at + first, "lte": attempt.started_at + last}
            if found := await self._listed(_INTENTS, _is_of(attempt), created=created):
                return max(found, key=lambda one: (one.get("status") == "succeeded", one.get("created", 0)))
        return None

    async def _retrieve(self, attempt: Attempt, reference: str) -> Object:
        intent = (await self._send("get", _path(reference))).data
        if metadata(intent).get("checkout_id") != attempt.checkout_id:
            raise ProviderRefusedCall(f"the provider's {reference} is not an intent of {attempt.checkout_id}")
        return intent

    async def _cancel(self, attempt: Attempt, reference: str) -> Charge:
        try:
            # Under a key of its own each time: a cancellation cannot happen twice, and a saved "cannot be cancelled
            # now" would be repeated when it can.
            return read_charge((await self._send("post", f"{_path(reference)}/cancel")).data)
        except stripe.InvalidRequestError as error:
            if code_of(error) != _WRONG_STATE:
                raise
        charge = read_charge(await self._retrieve(attempt, reference))
        if charge.status in (PaymentStatus.CAPTURED, PaymentStatus.VOIDED, PaymentStatus.PENDING):
            return charge
        raise OutcomeUnknown(f"{reference} changed while it was being cancelled; it is {charge.status} now")

    async def _fence(self, attempt: Attempt) -> None:
        try:
            params = _creation(attempt, purpose=_FENCE)
            fence = await self._send("post", _INTENTS, attempt.idempotency_key, **params, confirm=False)
        except (ProviderRefusedCall, stripe.InvalidRequestError):
            # What the provider or we refuse of the fence is part of the attempt too, which therefore cannot pass.
            return
        await self._cancel(attempt, read_charge(fence.data).provider_reference)

    async def _cancel_what_was_sent(self, attempt: Attempt) -> Charge | None:
        """The attempt has been executed under its key. Sent once more, it only repeats its saved answer."""
        intent = await self._look(attempt)
        if intent is None:
            _require_living_key(attempt)
            try:
                intent = (await self._confirm(attempt)).data
            except stripe.CardError as error:
                intent = _intent_of(error)
            except stripe.InvalidRequestError:
                # It was refused for good (no such payment method, say), and has made nothing.
                return None
        return await self._cancel(attempt, read_charge(intent).provider_reference)

    async def _refund(self, attempt: Attempt, reference: str, amount_minor: int, tries: int) -> _Reply:
        # A refund that failed at the bank has used its key up, so the next one needs another.
        key = f"{attempt.idempotency_key}-refund" + (f"-{tries + 1}" if tries else "")
        return await self._send(
            "post",
            _REFUNDS,
            key,
            payment_intent=reference,
            amount=to_stripe(amount_minor, attempt.currency),
            metadata=_metadata(attempt),
        )

    async def _listed(self, path: str, keep: Callable[[Object], bool] = bool, **filters: Any) -> list[Object]:
        return [one async for page in self._pages(path, 100, **filters) for one in page if keep(one)]

    async def _pages(self, path: str, limit: int, **filters: Any) -> AsyncGenerator[list[Object], None]:
        cursor: dict[str, str] = {}
        for _ in range(_MAX_PAGES):
            objects, has_more = read_list((await self._send("get", path, limit=limit, **filters, **cursor)).data)
            yield objects
            if not (has_more and objects):
                return
            cursor = {"starting_after": objects[-1]["id"]}
        raise OutcomeUnknown(f"more than {_MAX_PAGES} pages of {path} to look through")

    async def _send(self, method: str, path: str, key: str | None = None, **params: Any) -> _Reply:
        # The raw request, for its answer is data that can be checked; the typed objects trip over a malformed one.
        try:
            response = await self._client.raw_request_async(method, path, idempotency_key=key, **params)
        except (AttributeError, TypeError) as error:
            # So does the package itself where an error's body is JSON but not Stripe's.
            raise OutcomeUnknown(f"the provider's answer is not one of Stripe's ({type(error).__name__})") from None
        if not isinstance(response.data, dict):
            raise OutcomeUnknown("the provider's answer is not a JSON object")
        return _Reply(response.data, response.headers.get("idempotent-replayed") == "true")


def _require_living_key(attempt: Attempt) -> None:
    if time.time() - attempt.started_at > _KEY_LIFE_SECONDS - _SKEW_SECONDS:
        raise OutcomeUnknown("the provider may have forgotten the attempt's key, and would charge again")


def _path(reference: str) -> str:
    return f"{_INTENTS}/{quote(reference, safe='')}"


def _metadata(attempt: Attempt, **more: str) -> dict[str, str]:
    return {"checkout_id": attempt.checkout_id, "attempt": str(attempt.number), **more}


def _creation(attempt: Attempt, **more: str) -> dict[str, Any]:
    return {
        "amount": to_stripe(attempt.amount_minor, attempt.currency),
        "currency": attempt.currency.lower(),
        "payment_method_types": ["card"],
        "metadata": _metadata(attempt, **more),
        "description": f"Checkout {attempt.checkout_id}",
    }


def _is_payment(intent: Object) -> bool:
    """Whether an intent was made by a checkout, and is not a mere fence."""
    found = metadata(intent)
    return bool(found.get("checkout_id")) and found.get("purpose") != _FENCE


def _is_of(attempt: Attempt) -> Callable[[Object], bool]:
    """Whether an intent was made for this very attempt; those of others say nothing of it."""
    is_ours = _is_ours(attempt)
    return lambda one: is_ours(one) and metadata(one).get("attempt") == str(attempt.number)


def _is_ours(attempt: Attempt) -> Callable[[Object], bool]:
    """Whether an object belongs to the attempt's checkout, and is not a mere fence."""

    def is_ours(one: Object) -> bool:
        return _is_payment(one) and metadata(one).get("checkout_id") == attempt.checkout_id

    return is_ours


def _intent_of(error: stripe.CardError) -> Object:
    body = error.json_body
    intent = body["error"].get("payment_intent") if isinstance(body, dict) else None
    if not isinstance(intent, dict):
        raise OutcomeUnknown("the provider declines, but does not say which intent")
    return intent


def _standing(refunds: list[Object]) -> Refund | None:
    """The refund that has not failed, if there is one."""
    return next((one for one in map(read_refund, refunds) if one.status is not RefundStatus.FAILED), None)
