"""Our minor units are ISO 4217's; Stripe's are not quite (https://docs.stripe.com/currencies#special-cases).

Krónur and Ugandan shillings have no minor unit but are sent as if they had hundredths. The ariary has one in ISO 4217
but none at Stripe. Amounts with three decimals must end in 0.
"""

from checkout.domain.errors import AmountRefused
from checkout.domain.money import exponent

_SENT_IN_HUNDREDTHS = frozenset({"ISK", "UGX"})
_SENT_IN_WHOLE_UNITS = frozenset({"MGA"})


def to_stripe(amount_minor: int, currency: str) -> int:
    """What Stripe calls this amount.

    Raises:
        AmountRefused: Stripe has no such amount in this currency.
    """
    if currency in _SENT_IN_HUNDREDTHS:
        return amount_minor * 100
    if currency in _SENT_IN_WHOLE_UNITS:
        return _divided(amount_minor, 100, currency, "whole units")
    if exponent(currency) == 3:
        return _divided(amount_minor, 10, currency, "amounts whose third decimal is 0") * 10
    return amount_minor


def from_stripe(amount: int, currency: str) -> int:
    """The minor units of what Stripe calls ``amount``.

    Raises:
        ValueError: it is no amount of that currency, or the currency is not one of ISO 4217.
    """
    exponent(currency)
    if currency in _SENT_IN_WHOLE_UNITS:
        return amount * 100
    if currency not in _SENT_IN_HUNDREDTHS:
        return amount
    if amount % 100:
        raise ValueError(f"{amount} is not an amount of {currency} at Stripe")
    return amount // 100


def _divided(amount_minor: int, step: int, currency: str, rule: str) -> int:
    quotient, rest = divmod(amount_minor, step)
    if rest:
        raise AmountRefused(f"Stripe takes only {rule} in {currency}, and {amount_minor} minor units is not one")
    return quotient
