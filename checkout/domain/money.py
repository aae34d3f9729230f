"""Money as whole minor units with an ISO 4217 currency; floating point never touches it.

The active codes and their exponents follow ISO 4217 list one (SIX, the standard's maintenance agency).
Funds codes and metals (XAU, CHE, UYI, ...) are left out: nobody pays a basket in them.
"""

from dataclasses import dataclass

#: The largest amount of one checkout, in minor units: twelve digits, the most a card network carries.
MAX_AMOUNT_MINOR = 999_999_999_999

_ZERO_DECIMAL = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
_THREE_DECIMAL = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
_TWO_DECIMAL = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
    CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD
    KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO
    NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL
    THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG""".split()
)
CURRENCIES = _ZERO_DECIMAL | _TWO_DECIMAL | _THREE_DECIMAL


def exponent(currency: str) -> int:
    """How many decimals the currency's minor unit stands for: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises:
        ValueError: the code is not an active ISO 4217 currency.
    """
    if currency in _TWO_DECIMAL:
        return 2
    if currency in _ZERO_DECIMAL:
        return 0
    if currency in _THREE_DECIMAL:
        return 3
    raise ValueError(f"{currency!r} is not an active ISO 4217 currency code")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (``amount_minor``) of one ISO 4217 currency, between 0 and `MAX_AMOUNT_MINOR`.

    Raises:
        ValueError: the currency is unknown, or the amount is negative or too large.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)
        if not 0 <= self.amount_minor <= MAX_AMOUNT_MINOR:
            raise ValueError(f"an amount lies between 0 and {MAX_AMOUNT_MINOR} minor units, not at {self.amount_minor}")

    def __str__(self) -> str:
        """For people: ``EUR 25.80``, ``JPY 500``."""
        digits = exponent(self.currency)
        if digits == 0:
            return f"{self.currency} {self.amount_minor}"
        whole, part = divmod(self.amount_minor, 10**digits)
        return f"{self.currency} {whole}.{part:0{digits}d}"
