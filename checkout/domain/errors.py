"""Every error that the rooms share::

    CheckoutError
    ├── ConfigurationError       a setting is missing or malformed; the process does not start
    ├── InvalidCatalogue         a catalogue file has a bad row; nothing was imported
    ├── TemporalUnavailable      Temporal cannot be reached
    ├── TooLate                  a step came after its checkout had been undone; it did nothing
    ├── InvariantBroken          the tables say what they never should: a bug, for a person
    ├── Contradicted             what a person says of a payment is not what the provider says
    ├── DatabaseUnavailable      PostgreSQL is away, full, locked or read-only: ask again
    └── ProviderError            the payment provider gave no usable response
        ├── ProviderUnavailable  nothing can have happened: ask again
        │   ├── ProviderHeld     every charge is refused until a person has put something right: all checkouts wait
        │   │   ├── ProviderRefusesKey    our key is wrong, revoked, or may not do this
        │   │   ├── OtherAccount          our key is one of another account or mode
        │   │   └── AccountCannotCharge   the provider does not let our account charge anybody
        │   └── RefundRefused    the refund cannot be made now (the balance is too low, say)
        ├── OutcomeUnknown       it may have happened: find out, never assume
        │   └── KeyUsedOtherwise the key had been used for another request
        └── ProviderRefusedCall  our call is wrong (its parameters): a bug, for a person
            ├── PaymentMethodRefused  it is the customer's payment method that the provider does not take
            │   └── AmountRefused     it is the amount or the currency
            ├── NotAtProvider         the provider knows no such payment
            ├── NothingLeftToRefund   less is left of the charge than was to be refunded
            └── ChargeDisputed        the bank takes the money back itself

A refusal (out of stock, price changed, card declined) is not in the tree: it is a result, not an error.
The names of `TooLate`, `InvariantBroken`, `ProviderRefusedCall` and `Contradicted` stand in the retry policies: asking
again cannot help them.
"""

from checkout.domain.states import Reason


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
    """PostgreSQL did not do it, or its response was lost. Every statement may be sent again."""


class ProviderError(CheckoutError):
    """The payment provider gave no usable response.

    ``is_saved``: the provider keeps this response under the idempotency key and repeats it for a day, so that asking
    again needs a new key (https://docs.stripe.com/api/idempotent_requests). ``provider_reference`` is the intent that
    the response names, if it names one.
    """

    def __init__(self, message: str, *, is_saved: bool = False, provider_reference: str | None = None) -> None:
        super().__init__(message)
        self.is_saved = is_saved
        self.provider_reference = provider_reference


class ProviderUnavailable(ProviderError):
    """The provider certainly did not act on the call. ``retry_after_seconds`` is its own wish, if it had one."""

    def __init__(
        self,
        message: str,
        retry_after_seconds: float | None = None,
        *,
        is_saved: bool = False,
        provider_reference: str | None = None,
    ) -> None:
        super().__init__(message, is_saved=is_saved, provider_reference=provider_reference)
        self.retry_after_seconds = retry_after_seconds


class ProviderHeld(ProviderUnavailable):
    """The provider refuses every charge until a person has put something right."""

    #: Why the payments wait, as customers' support and operators are told.
    hold: Reason


class ProviderRefusesKey(ProviderHeld):
    """The provider refuses our key (CHECKOUT_STRIPE_API_KEY): it is wrong, or may not do this."""

    hold = Reason.PROVIDER_REFUSES_KEY


class OtherAccount(ProviderHeld):
    """Our key (CHECKOUT_STRIPE_API_KEY) is one of another account or mode: it does not see our earlier payments."""

    hold = Reason.OTHER_PROVIDER_ACCOUNT


class AccountCannotCharge(ProviderHeld):
    """The provider does not let our account charge anybody at present."""

    hold = Reason.ACCOUNT_CANNOT_CHARGE


class RefundRefused(ProviderUnavailable):
    """The provider cannot make the refund now."""


class OutcomeUnknown(ProviderError):
    """The provider may or may not have acted on the call."""


class KeyUsedOtherwise(OutcomeUnknown):
    """The idempotency key had been used for another request, and only a look at the provider's books tells for what."""


class ProviderRefusedCall(ProviderError):
    """The provider rejects the call itself, so sending it again is of no use."""


class PaymentMethodRefused(ProviderRefusedCall):
    """The provider does not know or take the payment method; another one may do. ``decline_code`` names the kind."""

    decline_code = "invalid_payment_method"


class AmountRefused(PaymentMethodRefused):
    """The provider does not charge such an amount in this currency."""

    decline_code = "amount_not_chargeable"


class NotAtProvider(ProviderRefusedCall):
    """The provider knows no such payment."""


class NothingLeftToRefund(ProviderRefusedCall):
    """Less is left of the charge than was to be refunded: something was refunded meanwhile."""


class ChargeDisputed(ProviderRefusedCall):
    """The customer's bank has the charge in dispute and takes the money back itself; it cannot be refunded besides."""
