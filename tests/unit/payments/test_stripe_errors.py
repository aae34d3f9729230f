"""What each error of the `stripe` package means, and that none of them tells more than it should."""

import inspect
from typing import Any

import pytest
import stripe

from checkout.domain.errors import (
    OutcomeUnknown,
    ProviderError,
    ProviderRefusedCall,
    ProviderRefusesKey,
    ProviderUnavailable,
)
from checkout.payments.stripe.error_table import code_of
from checkout.payments.stripe.errors import is_soft_decline, translate, translated

MESSAGE = "No such PaymentMethod: '4242424242424242'"

MEANINGS: list[tuple[type[stripe.StripeError], int, type[ProviderError]]] = [
    (stripe.RateLimitError, 429, ProviderUnavailable),
    (stripe.InvalidRequestError, 400, ProviderRefusedCall),
    (stripe.AuthenticationError, 401, ProviderRefusesKey),
    (stripe.PermissionError, 403, ProviderRefusesKey),
    (stripe.SignatureVerificationError, 400, ProviderRefusedCall),
    (stripe.IdempotencyError, 400, OutcomeUnknown),
    (stripe.APIError, 500, OutcomeUnknown),
    (stripe.APIConnectionError, 0, OutcomeUnknown),
    (stripe.CardError, 402, OutcomeUnknown),
]


def error_of(kind: type[stripe.StripeError], status: int = 400, **headers: str) -> stripe.StripeError:
    parameters = inspect.signature(kind).parameters
    body = {"error": {"code": "some_code", "message": MESSAGE}}
    given: dict[str, Any] = {
        "message": MESSAGE,
        "param": "payment_method",
        "code": "some_code",
        "sig_header": "t=1,v1=secret",
        "description": MESSAGE,
    }
    given |= {"http_body": MESSAGE, "http_status": status or None, "json_body": body, "headers": headers}
    return kind(**{name: value for name, value in given.items() if name in parameters})


def descendants(kind: type[stripe.StripeError]) -> set[type[stripe.StripeError]]:
    return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))


@pytest.mark.parametrize(("kind", "status", "meaning"), MEANINGS, ids=[kind.__name__ for kind, *_ in MEANINGS])
def test_every_error_has_its_meaning_and_keeps_the_message_to_itself(
    kind: type[stripe.StripeError], status: int, meaning: type[ProviderError]
) -> None:
    ours = translate(error_of(kind, status))
    assert isinstance(ours, meaning)
    assert kind.__name__ in str(ours)
    assert "4242" not in str(ours)
    assert "secret" not in str(ours)


def test_no_error_of_the_package_is_without_a_meaning() -> None:
    kinds = descendants(stripe.StripeError)
    assert kinds >= {kind for kind, *_ in MEANINGS}
    for kind in kinds:
        assert isinstance(translate(error_of(kind)), ProviderError)


def test_the_translation_has_no_cause_that_would_tell_the_message() -> None:
    with pytest.raises(ProviderRefusedCall) as refused, translated():
        raise error_of(stripe.InvalidRequestError)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("Fri, 31 Dec 1999 23:59:59 GMT", None)]
)
def test_a_rate_limit_tells_when_to_come_back(header: str, seconds: float | None) -> None:
    ours = translate(error_of(stripe.RateLimitError, 429, **{"retry-after": header}))
    assert isinstance(ours, ProviderUnavailable)
    assert ours.retry_after_seconds == seconds


def test_the_code_is_found_where_the_package_does_not_set_it() -> None:
    assert code_of(error_of(stripe.APIError, 409)) == "some_code"


@pytest.mark.parametrize(
    ("decline_code", "advice_code", "soft"),
    [
        ("insufficient_funds", None, True),
        ("issuer_not_available", None, True),
        ("stolen_card", None, False),
        ("generic_decline", None, False),
        (None, None, False),
        ("insufficient_funds", "do_not_try_again", False),
        ("generic_decline", "try_again_later", True),
    ],
)
def test_a_soft_decline_may_pass_later(decline_code: str | None, advice_code: str | None, soft: bool) -> None:
    assert is_soft_decline(decline_code, advice_code) is soft
