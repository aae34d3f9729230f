"""Our minor units and Stripe's."""

import pytest

from checkout.domain.errors import ProviderRefusedCall
from checkout.domain.money import CURRENCIES, exponent
from checkout.payments.stripe.amounts import from_stripe, to_stripe


@pytest.mark.parametrize(
    ("amount_minor", "currency", "amount"),
    [
        (2580, "EUR", 2580),
        (500, "JPY", 500),
        (5, "ISK", 500),
        (9000, "UGX", 900_000),
        (5120, "KWD", 5120),
        (1200, "MGA", 12),
        (0, "USD", 0),
    ],
)
def test_an_amount_is_converted_there_and_back(amount_minor: int, currency: str, amount: int) -> None:
    assert to_stripe(amount_minor, currency) == amount
    assert from_stripe(amount, currency) == amount_minor


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_no_currency_loses_anything_on_the_way(currency: str) -> None:
    assert from_stripe(to_stripe(12_300, currency), currency) == 12_300


@pytest.mark.parametrize(("amount_minor", "currency"), [(5124, "KWD"), (1, "BHD"), (150, "MGA")])
def test_an_amount_that_stripe_has_not_is_refused_by_name(amount_minor: int, currency: str) -> None:
    with pytest.raises(ProviderRefusedCall, match=f"{currency}.*{amount_minor}"):
        to_stripe(amount_minor, currency)


def test_three_decimals_are_the_only_ones_that_end_in_zero() -> None:
    refused = []
    for currency in sorted(CURRENCIES):
        try:
            to_stripe(101, currency)
        except ProviderRefusedCall:
            refused.append(currency)
    assert refused == sorted([c for c in CURRENCIES if exponent(c) == 3] + ["MGA"])


@pytest.mark.parametrize(("amount", "currency"), [(550, "ISK"), (100, "XXX"), (100, "eur")])
def test_a_response_with_an_impossible_amount_is_refused(amount: int, currency: str) -> None:
    with pytest.raises(ValueError, match=currency):
        from_stripe(amount, currency)
