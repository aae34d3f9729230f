"""Money: whole minor units, with the currency's own exponent."""

import pytest

from checkout.domain.money import CURRENCIES, MAX_AMOUNT_MINOR, Money, exponent


@pytest.mark.parametrize(
    ("amount_minor", "currency", "shown"),
    [(2580, "EUR", "EUR 25.80"), (5, "EUR", "EUR 0.05"), (500, "JPY", "JPY 500"), (1250, "KWD", "KWD 1.250")],
)
def test_an_amount_is_shown_in_its_currency(amount_minor: int, currency: str, shown: str) -> None:
    assert str(Money(amount_minor, currency)) == shown


@pytest.mark.parametrize("amount_minor", [-1, MAX_AMOUNT_MINOR + 1])
def test_an_amount_that_cannot_be_charged_is_refused(amount_minor: int) -> None:
    with pytest.raises(ValueError, match="between 0 and"):
        Money(amount_minor, "EUR")


@pytest.mark.parametrize("currency", ["eur", "XXX", "XAU", ""])
def test_what_is_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        exponent(currency)


def test_every_currency_has_one_exponent() -> None:
    assert len(CURRENCIES) > 150
    assert {exponent(currency) for currency in CURRENCIES} == {0, 2, 3}
