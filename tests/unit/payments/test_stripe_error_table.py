"""The table from the provider's errors to their meaning, row by row."""

from typing import Any

import pytest
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
from checkout.payments.stripe.error_table import TABLE, ProviderCall, row_for
from checkout.payments.stripe.errors import translate

USED_UP = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a "
    "connected account without Customer attachment, or was detached from a Customer. It may not be used again."
)
OF_A_CUSTOMER = "The payment method supplied belongs to the Customer cus_1. Please include the Customer."
INDIA = "As per Indian regulations, export transactions require a customer name and address."
NO_CHARGES = "Your account cannot currently make live charges."

#: (call, HTTP status, error) -> (meaning, decline code)
CASES: list[tuple[ProviderCall, int, dict[str, str], type[ProviderError], str | None]] = [
    (ProviderCall.CHARGE, 429, {"type": "invalid_request_error", "code": "rate_limit"}, ProviderUnavailable, None),
    (ProviderCall.CHARGE, 429, {"type": "invalid_request_error", "code": "lock_timeout"}, ProviderUnavailable, None),
    (ProviderCall.CHARGE, 400, {"code": "lock_timeout"}, ProviderUnavailable, None),
    (ProviderCall.CHARGE, 401, {"message": "Invalid API Key provided: sk_test_***"}, ProviderRefusesKey, None),
    (
        ProviderCall.OTHER,
        403,
        {"message": "The provided key does not have the required permissions"},
        ProviderRefusesKey,
        None,
    ),
    (ProviderCall.CHARGE, 400, {"code": "api_key_expired"}, ProviderRefusesKey, None),
    (ProviderCall.CHARGE, 400, {"code": "livemode_mismatch"}, OtherAccount, None),
    (ProviderCall.CHARGE, 400, {"message": NO_CHARGES}, AccountCannotCharge, None),
    (ProviderCall.CHARGE, 403, {"message": NO_CHARGES}, AccountCannotCharge, None),
    (ProviderCall.CHARGE, 400, {"code": "testmode_charges_only"}, AccountCannotCharge, None),
    (ProviderCall.CHARGE, 400, {"code": "account_invalid"}, AccountCannotCharge, None),
    (ProviderCall.CHARGE, 400, {"message": "This account has been rejected."}, AccountCannotCharge, None),
    (ProviderCall.CHARGE, 400, {"message": "Charges are disabled for your account."}, AccountCannotCharge, None),
    (ProviderCall.CHARGE, 400, {"type": "idempotency_error"}, KeyUsedOtherwise, None),
    (ProviderCall.REFUND, 400, {"code": "charge_disputed"}, ChargeDisputed, None),
    (ProviderCall.REFUND, 400, {"code": "refund_disputed_payment"}, ChargeDisputed, None),
    (ProviderCall.REFUND, 400, {"code": "charge_already_refunded"}, NothingLeftToRefund, None),
    (ProviderCall.REFUND, 400, {"param": "amount", "message": "Refund amount is greater"}, NothingLeftToRefund, None),
    (ProviderCall.REFUND, 400, {"code": "balance_insufficient"}, RefundRefused, None),
    (ProviderCall.REFUND, 402, {"code": "insufficient_funds"}, RefundRefused, None),
    (
        ProviderCall.CHARGE,
        400,
        {"code": "resource_missing", "param": "payment_method"},
        PaymentMethodRefused,
        "invalid_payment_method",
    ),
    (ProviderCall.CHARGE, 404, {"code": "resource_missing", "param": "intent"}, NotAtProvider, None),
    (ProviderCall.OTHER, 404, {"code": "resource_missing", "param": "intent"}, NotAtProvider, None),
    (ProviderCall.CHARGE, 400, {"code": "amount_too_small", "param": "amount"}, AmountRefused, "amount_not_chargeable"),
    (ProviderCall.CHARGE, 400, {"code": "amount_too_large"}, AmountRefused, "amount_not_chargeable"),
    (ProviderCall.CHARGE, 400, {"param": "currency"}, PaymentMethodRefused, "currency_not_chargeable"),
    (
        ProviderCall.CHARGE,
        400,
        {"code": "payment_method_currency_mismatch"},
        PaymentMethodRefused,
        "currency_not_chargeable",
    ),
    (ProviderCall.CHARGE, 400, {"message": USED_UP}, PaymentMethodRefused, "payment_method_used_up"),
    (ProviderCall.CHARGE, 400, {"code": "token_already_used"}, PaymentMethodRefused, "payment_method_used_up"),
    (
        ProviderCall.CHARGE,
        400,
        {"code": "parameter_missing", "param": "source", "message": OF_A_CUSTOMER},
        PaymentMethodRefused,
        "payment_method_of_a_customer",
    ),
    (ProviderCall.CHARGE, 400, {"message": OF_A_CUSTOMER}, PaymentMethodRefused, "payment_method_of_a_customer"),
    (ProviderCall.CHARGE, 400, {"message": INDIA}, PaymentMethodRefused, "customer_details_required"),
    (
        ProviderCall.CHARGE,
        400,
        {"code": "payment_method_unactivated"},
        PaymentMethodRefused,
        "payment_method_type_not_accepted",
    ),
    (
        ProviderCall.CHARGE,
        400,
        {
            "code": "payment_intent_invalid_parameter",
            "message": "The PaymentMethod provided (link) is not allowed for this PaymentIntent.",
        },
        PaymentMethodRefused,
        "payment_method_type_not_accepted",
    ),
    (
        ProviderCall.CHARGE,
        400,
        {"code": "payment_method_provider_decline"},
        PaymentMethodRefused,
        "payment_method_provider_decline",
    ),
    (ProviderCall.CHARGE, 400, {"param": "payment_method"}, PaymentMethodRefused, "invalid_payment_method"),
    (ProviderCall.CHARGE, 400, {"code": "parameter_unknown", "param": "amonut"}, ProviderRefusedCall, None),
    (ProviderCall.CHARGE, 400, {"code": "parameter_missing", "param": "confirm"}, ProviderRefusedCall, None),
    (ProviderCall.CHARGE, 400, {"message": "This customer's bank does not allow it."}, PaymentMethodRefused, None),
    (
        ProviderCall.CHARGE,
        404,
        {"message": "Unrecognized request URL (POST: /v1/payment_intents)."},
        ProviderRefusedCall,
        None,
    ),
    (ProviderCall.OTHER, 400, {"message": USED_UP}, ProviderRefusedCall, None),
    (ProviderCall.CHARGE, 409, {"code": "idempotency_key_in_use"}, OutcomeUnknown, None),
    (ProviderCall.CHARGE, 500, {"type": "api_error"}, OutcomeUnknown, None),
    (ProviderCall.CHARGE, 503, {"type": "api_error"}, OutcomeUnknown, None),
    (ProviderCall.OTHER, 402, {"type": "card_error", "code": "card_declined"}, OutcomeUnknown, None),
]


def stripe_error(status: int, error: dict[str, str], headers: dict[str, str] | None = None) -> stripe.StripeError:
    """What the package itself makes of the provider's body."""
    body: dict[str, Any] = {"error": {"type": "invalid_request_error", "message": "Something is wrong."} | error}
    requestor = stripe.StripeClient("sk_test_1")._requestor
    try:
        requestor.handle_error_response("{}", status, body, headers or {}, "V1")
    except stripe.StripeError as made:
        return made
    raise AssertionError("the package made no error of it")


@pytest.mark.parametrize(("call", "status", "error", "meaning", "decline_code"), CASES, ids=str)
def test_an_error_has_its_meaning(
    call: ProviderCall, status: int, error: dict[str, str], meaning: type[ProviderError], decline_code: str | None
) -> None:
    ours = translate(stripe_error(status, error), call)
    assert type(ours) is meaning
    if decline_code:
        assert isinstance(ours, PaymentMethodRefused)
        assert ours.decline_code == decline_code


def test_every_row_is_tried_and_has_its_source() -> None:
    tried = {id(row_for(stripe_error(status, error), call)) for call, status, error, *_ in CASES}
    left = [row for row in TABLE if id(row) not in tried]
    # Errors that come of no body of the provider's.
    of_no_body = (stripe.APIConnectionError, stripe.SignatureVerificationError, stripe.StripeError)
    assert [row.meaning.__name__ for row in left if row.kind not in of_no_body] == []
    assert all(row.source.startswith("https://docs.stripe.com/") for row in TABLE)


def test_an_error_says_whether_it_is_saved_and_which_intent_it_names() -> None:
    body: Any = {"message": NO_CHARGES, "payment_intent": {"id": "pi_1"}}
    ours = translate(stripe_error(400, body, {"Idempotent-Replayed": "true"}), ProviderCall.CHARGE)
    assert (ours.is_saved, ours.provider_reference) == (True, "pi_1")
    fresh = translate(stripe_error(400, {"message": NO_CHARGES}), ProviderCall.CHARGE)
    assert (fresh.is_saved, fresh.provider_reference) == (False, None)


def test_the_providers_message_is_read_and_never_repeated() -> None:
    assert "Indian" not in str(translate(stripe_error(400, {"message": INDIA}), ProviderCall.CHARGE))
