"""What each error of the `stripe` package means for a checkout.

Texts are built from types, codes and request ids alone: a provider's message may repeat what it was sent, and errors
end up in workflow histories. The request id leads to the whole story in the provider's own log.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import stripe

from checkout.domain.errors import (
    AmountRefused,
    OutcomeUnknown,
    PaymentMethodRefused,
    ProviderError,
    ProviderRefusedCall,
    ProviderRefusesKey,
    ProviderUnavailable,
)

# The first match counts. A card error that reaches this table comes from a call that is not a charge.
_MEANING: tuple[tuple[type[stripe.StripeError], type[ProviderError]], ...] = (
    # Rate limiters stand before the endpoints (https://docs.stripe.com/rate-limits), so nothing was executed.
    (stripe.RateLimitError, ProviderUnavailable),
    (stripe.InvalidRequestError, ProviderRefusedCall),
    # A deploy with the wrong key must not undo every checkout under way: it waits until somebody has put it right.
    (stripe.AuthenticationError, ProviderRefusesKey),
    (stripe.PermissionError, ProviderRefusesKey),
    (stripe.SignatureVerificationError, ProviderRefusedCall),
    # The key was used for something else, and only a look at the provider's books tells for what.
    (stripe.IdempotencyError, OutcomeUnknown),
    # 5xx, 409 while the first request is still running, and bodies that are not Stripe's. A 500 says nothing about
    # what happened (https://docs.stripe.com/error-low-level#server-errors), nor does a 503 once a proxy may send it.
    (stripe.APIError, OutcomeUnknown),
    (stripe.APIConnectionError, OutcomeUnknown),
    (stripe.CardError, OutcomeUnknown),
    # Whatever a later release of the package adds.
    (stripe.StripeError, OutcomeUnknown),
)

#: Declines after which the same card may work later, without anybody calling the bank or correcting a number
#: (https://docs.stripe.com/declines/codes).
_SOFT_DECLINES = frozenset(
    """approve_with_id authentication_not_handled card_velocity_exceeded insufficient_funds issuer_not_available
    processing_error reenter_transaction try_again_later withdrawal_count_limit_exceeded""".split()
)


def translate(error: stripe.StripeError) -> ProviderError:
    """The project's own error for one of the package's."""
    meaning = next(ours for theirs, ours in _MEANING if isinstance(error, theirs))
    if meaning is ProviderRefusedCall:
        meaning = {"payment_method": PaymentMethodRefused, "amount": AmountRefused}.get(
            str(getattr(error, "param", None)), meaning
        )
    text = f"{meaning.__doc__} ({_describe(error)})"
    if issubclass(meaning, ProviderUnavailable):
        return meaning(text, _retry_after_seconds(error))
    return meaning(text)


@contextmanager
def translated() -> Iterator[None]:
    """Let none of the package's errors out."""
    try:
        yield
    except stripe.StripeError as error:
        # Without the cause: it carries the provider's message and the whole body.
        raise translate(error) from None


def code_of(error: stripe.StripeError) -> str | None:
    """Stripe's error code (https://docs.stripe.com/error-codes). The package sets ``code`` on some classes only."""
    return error.code or (error.error.code if error.error else None)


def is_soft_decline(decline_code: str | None, advice_code: str | None) -> bool:
    """Whether the same card may work later. The issuer's advice, where there is one, beats the table
    (https://docs.stripe.com/declines/card#retrying-issuer-declines).
    """
    if advice_code:
        return advice_code == "try_again_later"
    return decline_code in _SOFT_DECLINES


def _describe(error: stripe.StripeError) -> str:
    param = getattr(error, "param", None)
    parts = (
        type(error).__name__,
        f"HTTP {error.http_status}" if error.http_status else None,
        code_of(error),
        f"parameter {param}" if param else None,
        error.request_id,
    )
    return ", ".join(str(part) for part in parts if part)


def _retry_after_seconds(error: stripe.StripeError) -> float | None:
    try:
        return max(0.0, float(error.headers.get("retry-after", "") if error.headers else ""))
    except ValueError:
        # Missing, or the date form of RFC 9110, which Stripe does not send: the caller's own back-off will do.
        return None
