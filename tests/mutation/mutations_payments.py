"""Mistakes with money."""

from tests.mutation.mutation import Campaign, Edit, Mutation

_ATTEMPTS = "checkout/db/attempts.py"
_PAYMENTS = "activities/payments/charge.py"
_DOMAIN = "checkout/domain/payments.py"
_STRIPE = "checkout/payments/stripe/gateway.py"
_STORY = "workflows/payment/collection.py"

MUTATIONS = (
    Mutation(
        "retry-counter-in-the-key",
        "The idempotency key carries the number of the machine's retry, so every retry charges anew.",
        (
            Edit(
                _ATTEMPTS,
                "idempotency_key=row.present_key,",
                'idempotency_key=f"{row.present_key}-{activity.info().attempt}",',
            ),
            Edit(
                _ATTEMPTS,
                "from sqlalchemy import Row, text\n",
                "from sqlalchemy import Row, text\nfrom temporalio import activity\n",
            ),
        ),
        cases=("charge_payment-fails_after_its_effect",),
    ),
    Mutation(
        "random-key",
        "Each call to charge has a new random idempotency key.",
        (
            Edit(
                _STRIPE,
                'return await self._api.send("post", _INTENTS, attempt.idempotency_key, **params, confirm=True)',
                'return await self._api.send("post", _INTENTS, str(uuid.uuid4()), **params, confirm=True)',
            ),
            Edit(_STRIPE, "import time\n", "import time\nimport uuid\n"),
        ),
        cases=("charge_payment-fails_after_its_effect",),
    ),
    Mutation(
        "nothing-heard-nothing-done",
        "A charge of which the provider's reference was never heard counts as void, without asking.",
        (
            Edit(
                _PAYMENTS,
                "charge = await self._account.stop(attempt)\n",
                "charge = await self._account.stop(attempt) if attempt.provider_reference else None\n",
            ),
        ),
        cases=("charge_payment-meets_a_bug",),
    ),
    Mutation(
        "captured-taken-for-void",
        "A payment that could not be stopped any more, because it was captured, counts as stopped.",
        (
            Edit(
                _PAYMENTS,
                "        if charge and charge.status.is_open:\n",
                "        charge = charge if charge and charge.status.is_open else None\n"
                "        if charge and charge.status.is_open:\n",
            ),
        ),
        cases=("charge_payment-meets_a_bug",),
    ),
    Mutation(
        "no-fence",
        "An undo that sees no payment leaves the key unused, so that a call still on its way takes the money.",
        (
            Edit(
                _STRIPE,
                """\
        try:
            await self._fence(attempt)
""",
                """\
        if not await self._look(attempt):
            return []
        try:
            await self._fence(attempt)
""",
            ),
        ),
        cases=("charge_payment-returns_after_its_undo",),
    ),
    Mutation(
        "time-out-is-a-decline",
        "A call whose response was lost counts as declined, so the customer pays in another way as well.",
        (
            Edit(
                _PAYMENTS,
                """\
        standing = None
""",
                """\
        if isinstance(error, OutcomeUnknown):
            raise PaymentMethodRefused("no answer") from error
        standing = None
""",
            ),
        ),
        campaign=Campaign("6 provider-lost-responses provider-hang"),
    ),
    Mutation(
        "decline-is-a-success",
        "A declined payment counts as made.",
        (
            Edit(
                _STORY,
                "if outcome.status == PaymentStatus.CAPTURED:",
                "if outcome.status in (PaymentStatus.CAPTURED, PaymentStatus.DECLINED):",
            ),
        ),
        cases=("refund_payment-declined-runs_twice",),
    ),
    Mutation(
        "amount-not-compared",
        "Whatever amount was taken counts as what was asked for.",
        (
            Edit(
                _DOMAIN,
                "fits = (charge.captured_minor, charge.currency) == (self.amount_minor, self.currency)",
                "fits = True",
            ),
        ),
        cases=("refund_payment-wrong_amount-runs_twice",),
    ),
    Mutation(
        "refund-of-another-amount",
        "What is given back is the order's total, and not what was taken.",
        (
            Edit(
                _DOMAIN,
                "charge.provider_reference,\n            charge.captured_minor",
                "charge.provider_reference,\n            self.amount_minor",
            ),
        ),
        cases=("refund_payment-wrong_amount-runs_twice",),
    ),
    Mutation(
        "event-believed",
        "An event that says so makes a payment captured, with the amount that was asked for and without a look.",
        (
            Edit(
                "checkout/db/payment_events.py",
                "    ), received AS (",
                """\
    ), believed AS (
        UPDATE payments p SET status = 'captured', provider_reference = m.provider_reference,
               captured_minor = p.amount_minor, captured_currency = p.currency
        FROM matched m WHERE p.checkout_id = m.checkout_id AND m.type = 'payment_intent.succeeded'
          AND p.status IN ('processing', 'unknown', 'pending', 'requires_action')
    ), received AS (""",
            ),
        ),
        campaign=Campaign("24 webhooks-concurrent provider-slow", checkouts=150),
    ),
    Mutation(
        "key-in-an-error",
        "The text of an error that operators read has the provider's secret key in it.",
        (
            Edit(
                "checkout/payments/stripe/api.py",
                "        except (AttributeError, TypeError) as error:",
                """\
        except stripe.APIError as error:
            raise OutcomeUnknown(f"{error} (with {self._client._requestor.api_key})") from None
        except (AttributeError, TypeError) as error:""",
            ),
        ),
        campaign=Campaign("2 provider-errors", checkouts=60),
    ),
)
