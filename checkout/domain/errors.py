"""Every error that the rooms share::

    CheckoutError
    ├── ConfigurationError       a setting is missing or malformed; the process does not start
    ├── InvalidCatalogue         a catalogue file has a bad row; nothing was imported
    ├── TemporalUnavailable      Temporal cannot be reached
    ├── TooLate                  a step came after its checkout had been undone; it did nothing
    ├── InvariantBroken          the tables say what they never should: a bug, for a person
    ├── Contradicted             what a person says of a payment is not what the provider says
    ├── DatabaseUnavailable      PostgreSQL is away, full, locked or read-only: ask again
    └── ProviderError            the payment provider did not give a usable answer
        ├── ProviderUnavailable  nothing can have happened: ask again
        │   └── ProviderRefusesKey   our key is wrong or may not do this: ask again, once a person has repaired it
        ├── OutcomeUnknown       it may have happened: find out, never assume
        └── ProviderRefusedCall  our call is wrong (its parameters): a bug, for a person
            ├── PaymentMethodRefused  it is the customer's payment method that the provider does not take
            └── AmountRefused         it is the amount: too small, or with a decimal too many

A refusal (out of stock, price changed, card declined) is not in the tree: it is an answer, not an error.
The names of `TooLate`, `InvariantBroken` and `ProviderRefusedCall` stand in the retry policies: asking again cannot
help them.
"""


class CheckoutError(Exception):
    """The root of the tree."""


class ConfigurationError(CheckoutError):
    """A setting is missing or malformed. The text names the variable and what it should be."""


class InvalidCatalogue(CheckoutError):
    """A catalogue file cannot be imported. The text names the line and what is wrong with it."""


class TemporalUnavailable(CheckoutError):
    """Temporal cannot be reached. The text names where it should be."""


class TooLate(CheckoutError):
    """A step met the tombstone of its own undo, and did nothing."""


class InvariantBroken(CheckoutError):
    """The tables are in a state that no run of this program leaves behind."""


class Contradicted(CheckoutError):
    """A person says one thing of a payment, and the provider another. The provider is believed."""


class DatabaseUnavailable(CheckoutError):
    """PostgreSQL did not do it, or its answer was lost. Every statement of ours may be sent again."""


class ProviderError(CheckoutError):
    """The payment provider gave no usable answer."""


class ProviderUnavailable(ProviderError):
    """The provider certainly did not act on the call. ``retry_after_seconds`` is its own wish, if it had one."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ProviderRefusesKey(ProviderUnavailable):
    """The provider refuses our key (CHECKOUT_STRIPE_API_KEY): it is wrong, or may not do this."""


class OutcomeUnknown(ProviderError):
    """The provider may or may not have acted on the call."""


class ProviderRefusedCall(ProviderError):
    """The provider rejects the call itself, so sending it again is of no use."""


class PaymentMethodRefused(ProviderRefusedCall):
    """The provider does not know or take the payment method; another one may do."""


class AmountRefused(ProviderRefusedCall):
    """The provider does not charge such an amount in this currency."""
