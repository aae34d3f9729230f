"""The table from the provider's errors to their meaning: declined, unavailable, unknown, refused call, or an account
that cannot charge. The first row that fits counts; each has its source.

Declined is what another payment method, or another day, can mend: the customer's turn. What is wrong with our account
or key concerns every checkout alike, and undoes none. What is left is our own mistake, a bug. An error of the type
``card_error`` is read before it comes here, from the intent that it carries.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

import stripe

from checkout.domain.errors import (
    AccountCannotCharge,
    AmountRefused,
    ChargeDisputed,
    KeyUsedOtherwise,
    NotAtProvider,
    NothingLeftToRefund,
    OtherAccount,
    OutcomeUnknown,
    PaymentMethodRefused,
    ProviderError,
    ProviderRefusedCall,
    ProviderRefusesKey,
    ProviderUnavailable,
    RefundRefused,
)


class ProviderCall(Enum):
    """What was asked of the provider, as far as its errors mean different things."""

    CHARGE = auto()
    REFUND = auto()
    OTHER = auto()


def code_of(error: stripe.StripeError) -> str | None:
    """Stripe's error code (https://docs.stripe.com/error-codes). The package sets ``code`` on some classes only."""
    return error.code or (error.error.code if error.error else None)


@dataclass(frozen=True)
class ErrorRow:
    """One line of the table. It fits an error of ``kind`` that came of one of the ``calls``, and has, where they are
    given, one of the ``codes``, one of the ``params`` (``-`` stands for none), and a message that ``says`` it.

    ``decline_code`` is our name of the kind of a decline; without one, the provider's code is taken.
    """

    meaning: type[ProviderError]
    source: str
    kind: type[stripe.StripeError] = stripe.InvalidRequestError
    calls: tuple[ProviderCall, ...] = tuple(ProviderCall)
    codes: str = ""
    params: str = ""
    says: str = ""
    decline_code: str | None = None

    def fits(self, error: stripe.StripeError, call: ProviderCall) -> bool:
        """Whether the row tells of this error."""
        code = code_of(error)
        param = getattr(error, "param", None)
        return (
            isinstance(error, self.kind)
            and call in self.calls
            and (not self.codes or code in self.codes.split())
            and (not self.params or (param or "-") in self.params.split())
            and (not self.says or bool(re.search(self.says, str(error.user_message or ""), re.IGNORECASE)))
        )


#: Our names of the declines that no payment method can help.
MONEY_REFUSED = frozenset({"amount_not_chargeable", "currency_not_chargeable"})

_CODES = "https://docs.stripe.com/error-codes"
_ERRORS = "https://docs.stripe.com/api/errors"
_CHARGE, _REFUND = (ProviderCall.CHARGE,), (ProviderCall.REFUND,)

TABLE: tuple[ErrorRow, ...] = (
    # -- Nothing was executed: ask again. -------------------------------------------------------------------------
    # Rate limiters, and the lock on an object, stand before the endpoints.
    ErrorRow(ProviderUnavailable, "https://docs.stripe.com/rate-limits", stripe.RateLimitError),
    ErrorRow(ProviderUnavailable, _CODES, stripe.StripeError, codes="lock_timeout rate_limit"),
    # -- The key or the account: every checkout waits, none is undone. ---------------------------------------------
    ErrorRow(ProviderRefusesKey, "https://docs.stripe.com/keys", stripe.AuthenticationError),
    ErrorRow(OtherAccount, _CODES, stripe.StripeError, codes="livemode_mismatch"),
    ErrorRow(
        AccountCannotCharge,
        _CODES,
        stripe.StripeError,
        _CHARGE,
        codes="testmode_charges_only account_invalid country_unsupported platform_account_required",
    ),
    # Most of them come without a code.
    ErrorRow(
        AccountCannotCharge,
        "https://docs.stripe.com/connect/account-capabilities",
        stripe.StripeError,
        _CHARGE,
        says=r"\b(your|this) account (cannot|can't|can not) (currently )?(make|create|accept|process) "
        r"(live |any )?(charges|payments)\b"
        r"|\b(your|this) account (has been|is|was) (rejected|restricted|disabled|closed|deactivated|under review|not )"
        r"|\b(your|this) account (must|needs to) (first )?(be )?(activat|verif)"
        r"|charges (are|have been) disabled|not enabled for live charges",
    ),
    ErrorRow(ProviderRefusesKey, "https://docs.stripe.com/keys/restricted-api-keys", stripe.PermissionError),
    ErrorRow(ProviderRefusesKey, _CODES, codes="api_key_expired platform_api_key_expired secret_key_required"),
    # -- Whose request was it? A look tells. ------------------------------------------------------------------------
    ErrorRow(KeyUsedOtherwise, "https://docs.stripe.com/api/idempotent_requests", stripe.IdempotencyError),
    # -- Refunds. ---------------------------------------------------------------------------------------------------
    ErrorRow(
        ChargeDisputed,
        "https://docs.stripe.com/refunds#refund-disputed-payments",
        stripe.StripeError,
        _REFUND,
        codes="charge_disputed refund_disputed_payment",
    ),
    ErrorRow(NothingLeftToRefund, _CODES, stripe.StripeError, _REFUND, codes="charge_already_refunded"),
    ErrorRow(NothingLeftToRefund, "https://docs.stripe.com/api/refunds/create", calls=_REFUND, params="amount"),
    ErrorRow(
        RefundRefused,
        "https://docs.stripe.com/refunds#insufficient-balance",
        stripe.StripeError,
        _REFUND,
        codes="balance_insufficient insufficient_funds",
    ),
    # -- The customer's payment method, its amount or its currency: declined. ---------------------------------------
    ErrorRow(
        PaymentMethodRefused,
        _CODES,
        calls=_CHARGE,
        codes="resource_missing",
        params="payment_method",
        decline_code="invalid_payment_method",
    ),
    ErrorRow(NotAtProvider, _CODES, codes="resource_missing"),
    ErrorRow(
        AmountRefused,
        "https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts",
        params="amount",
        decline_code="amount_not_chargeable",
    ),
    ErrorRow(
        AmountRefused,
        _CODES,
        codes="amount_too_small amount_too_large charge_exceeds_transaction_limit",
        decline_code="amount_not_chargeable",
    ),
    ErrorRow(
        PaymentMethodRefused,
        "https://docs.stripe.com/currencies",
        calls=_CHARGE,
        params="currency",
        decline_code="currency_not_chargeable",
    ),
    ErrorRow(
        PaymentMethodRefused,
        _CODES,
        calls=_CHARGE,
        codes="payment_method_currency_mismatch invalid_currency",
        decline_code="currency_not_chargeable",
    ),
    # Used up by an earlier payment, since it belongs to no Customer.
    ErrorRow(
        PaymentMethodRefused,
        "https://docs.stripe.com/api/payment_methods/attach",
        calls=_CHARGE,
        says=r"(may|can) ?not be (re)?used again|previously used|already been used",
        decline_code="payment_method_used_up",
    ),
    ErrorRow(
        PaymentMethodRefused, _CODES, calls=_CHARGE, codes="token_already_used", decline_code="payment_method_used_up"
    ),
    ErrorRow(
        PaymentMethodRefused,
        "https://docs.stripe.com/payments/save-and-reuse",
        calls=_CHARGE,
        params="source customer",
        decline_code="payment_method_of_a_customer",
    ),
    ErrorRow(
        PaymentMethodRefused,
        "https://docs.stripe.com/payments/save-and-reuse",
        calls=_CHARGE,
        says=r"belongs to (the|a|another) customer|attached to (the|a|another) customer",
        decline_code="payment_method_of_a_customer",
    ),
    ErrorRow(
        PaymentMethodRefused,
        "https://docs.stripe.com/india-accept-international-payments",
        calls=_CHARGE,
        says=r"indian regulations|export transactions require",
        decline_code="customer_details_required",
    ),
    ErrorRow(
        PaymentMethodRefused,
        _CODES,
        calls=_CHARGE,
        codes="payment_method_unactivated payment_method_not_available payment_method_unsupported_type "
        "payment_intent_incompatible_payment_method",
        decline_code="payment_method_type_not_accepted",
    ),
    ErrorRow(
        PaymentMethodRefused,
        _CODES,
        calls=_CHARGE,
        says=r"payment ?method.*(is not|isn't|not) (allowed|supported|accepted|enabled|activated)",
        decline_code="payment_method_type_not_accepted",
    ),
    ErrorRow(
        PaymentMethodRefused,
        _CODES,
        calls=_CHARGE,
        codes="payment_method_invalid_parameter payment_method_invalid_parameter_testmode "
        "payment_method_unexpected_state payment_method_billing_details_address_missing "
        "payment_method_customer_decline payment_method_provider_decline payment_method_provider_timeout "
        "payment_method_bank_account_blocked payment_method_bank_account_already_exists "
        "payment_intent_authentication_failure payment_intent_payment_attempt_failed "
        "payment_intent_payment_attempt_expired card_decline_rate_limit_exceeded card_declined expired_card "
        "incorrect_address incorrect_cvc incorrect_number incorrect_zip invalid_card_type invalid_cvc "
        "invalid_expiry_month invalid_expiry_year invalid_number postal_code_invalid processing_error "
        "refer_to_customer request_blocked token_in_use authentication_required",
    ),
    ErrorRow(
        PaymentMethodRefused,
        _CODES,
        calls=_CHARGE,
        params="payment_method payment_method_data payment_method_options",
        decline_code="invalid_payment_method",
    ),
    # -- Our own mistake. -------------------------------------------------------------------------------------------
    ErrorRow(
        ProviderRefusedCall,
        _CODES,
        codes="parameter_unknown parameter_missing parameter_invalid_empty parameter_invalid_integer "
        "parameter_invalid_string_blank parameter_invalid_string_empty parameters_exclusive url_invalid "
        "tls_version_unsupported payment_intent_unexpected_state payment_intent_mandate_invalid intent_invalid_state",
    ),
    # It names none of our parameters and none of our mistakes, so it is the payment that cannot be made in this way
    # (https://docs.stripe.com/payments/paymentintents/lifecycle). Stripe changes these texts without notice.
    ErrorRow(
        PaymentMethodRefused,
        _ERRORS,
        calls=_CHARGE,
        params="-",
        says=r"\b(payment|payment ?method|card|customer|bank)\b",
        decline_code="payment_method_refused",
    ),
    ErrorRow(ProviderRefusedCall, _ERRORS),
    ErrorRow(ProviderRefusedCall, "https://docs.stripe.com/webhooks/signature", stripe.SignatureVerificationError),
    # -- It may have happened. --------------------------------------------------------------------------------------
    # 5xx, 409 while the first request is still running, and bodies that are not Stripe's. A 500 says nothing about
    # what happened, nor does a 503 once a proxy may send it.
    ErrorRow(OutcomeUnknown, "https://docs.stripe.com/error-low-level#server-errors", stripe.APIError),
    ErrorRow(OutcomeUnknown, "https://docs.stripe.com/error-low-level#connection-errors", stripe.APIConnectionError),
    ErrorRow(OutcomeUnknown, "https://docs.stripe.com/error-low-level", stripe.CardError),
    # Whatever a later release of the package adds.
    ErrorRow(OutcomeUnknown, _ERRORS, stripe.StripeError),
)


def row_for(error: stripe.StripeError, call: ProviderCall) -> ErrorRow:
    """The row of the table that tells what the error means."""
    return next(row for row in TABLE if row.fits(error, call))
