"""What each error of the `stripe` package means for a checkout.

Texts are built from types, codes and request ids alone: a provider's message may repeat what it was sent, and errors
end up in workflow histories. The request id leads to the whole story in the provider's own log.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import stripe

from checkout.domain.errors import PaymentMethodRefused, ProviderError, ProviderUnavailable
from checkout.payments.stripe.error_table import ErrorRow, ProviderCall, code_of, row_for

#: Declines after which the same card may work later, without anybody calling the bank or correcting a number
#: (https://docs.stripe.com/declines/codes).
_SOFT_DECLINES = frozenset(
    """approve_with_id authentication_not_handled card_velocity_exceeded insufficient_funds issuer_not_available
    processing_error reenter_transaction try_again_later withdrawal_count_limit_exceeded""".split()
)


def translate(error: stripe.StripeError, call: ProviderCall = ProviderCall.OTHER) -> ProviderError:
    """The project's own error for one of the package's, which came of this kind of call."""
    row = row_for(error, call)
    text = f"{row.meaning.__doc__} ({_describe(error)})"
    known: dict[str, Any] = {"is_saved": is_replay(error), "provider_reference": _intent_id(error)}
    if issubclass(row.meaning, ProviderUnavailable):
        return row.meaning(text, _retry_after_seconds(error), **known)
    ours = row.meaning(text, **known)
    if isinstance(ours, PaymentMethodRefused):
        ours.decline_code = _decline_code(row, error) or ours.decline_code
    return ours


@contextmanager
def translated(call: ProviderCall = ProviderCall.OTHER) -> Iterator[None]:
    """Let none of the package's errors out."""
    try:
        yield
    except stripe.StripeError as error:
        # Without the cause: it carries the provider's message and the whole body.
        raise translate(error, call) from None


def is_replay(error: stripe.StripeError) -> bool:
    """Whether the provider repeats the first response that it gave under this idempotency key
    (https://docs.stripe.com/api/idempotent_requests).
    """
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"


def is_soft_decline(decline_code: str | None, advice_code: str | None) -> bool:
    """Whether the same card may work later. The issuer's advice, where there is one, beats the table
    (https://docs.stripe.com/declines/card#retrying-issuer-declines).
    """
    if advice_code:
        return advice_code == "try_again_later"
    return decline_code in _SOFT_DECLINES


def named_intent(error: stripe.StripeError) -> dict[str, Any] | None:
    """The intent that an error carries, if it carries one."""
    body = error.json_body.get("error") if isinstance(error.json_body, dict) else None
    intent = body.get("payment_intent") if isinstance(body, dict) else None
    return intent if isinstance(intent, dict) else None


def _decline_code(row: ErrorRow, error: stripe.StripeError) -> str | None:
    """The table's own name of the kind, or else the provider's code."""
    return row.decline_code or code_of(error)


def _intent_id(error: stripe.StripeError) -> str | None:
    found = (named_intent(error) or {}).get("id")
    return found if isinstance(found, str) else None


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
