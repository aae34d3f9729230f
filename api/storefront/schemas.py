"""What a storefront sends, and the checkout that it gets: pydantic models, which FastAPI documents."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from api.http.schemas import Matches, RequestModel, ResponseModel, Timestamp, Url, no_card
from checkout.domain.messages import CheckoutRequest, Line, Timeouts, merge_lines
from checkout.domain.money import CURRENCIES, MAX_AMOUNT_MINOR
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason

#: How many units of one article a checkout may ask for.
MAX_QUANTITY: Final = 100_000

Id = Annotated[
    str, Matches("[!-~]{1,128}", "must be 1 to 128 visible ASCII characters, without spaces"), AfterValidator(no_card)
]
Sku = Annotated[
    str, Matches("[!-~]{1,64}", "must be 1 to 64 visible ASCII characters, without spaces"), AfterValidator(no_card)
]
PaymentMethod = Annotated[
    str,
    Matches("pm_[A-Za-z0-9_]{1,120}", "must be pm_ and then 1 to 120 letters, digits or underscores"),
    AfterValidator(no_card),
]


def _active_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise PydanticCustomError("currency", "not an active ISO 4217 currency code in capitals")
    return value


Currency = Annotated[str, AfterValidator(_active_currency), Field(json_schema_extra={"enum": [*sorted(CURRENCIES)]})]


class LineBody(RequestModel):
    """So many of one article."""

    sku: Annotated[Sku, Field(description="the article, as the catalogue names it")]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY, description="how many of it")]


def _few_enough_of_each(lines: list[LineBody]) -> list[LineBody]:
    """The lines, unless those of one SKU, which count as one line, come to more than one line may ask for."""
    merged = merge_lines(tuple(Line(line.sku, line.quantity) for line in lines))
    if any(line.quantity > MAX_QUANTITY for line in merged):
        raise PydanticCustomError(
            "quantity",
            "lines with the same SKU count as one, and may ask for {at_most} in all",
            {"at_most": MAX_QUANTITY},
        )
    return lines


class CheckoutBody(RequestModel):
    """A cart to buy. Prices come from the catalogue, never from here."""

    customer_id: Annotated[Id, Field(description="the customer, as the shop names them")]
    cart_id: Annotated[Id | None, Field(description="a cart is ordered once, however many checkouts it is in")] = None
    currency: Annotated[Currency, Field(description="ISO 4217, in capitals; the catalogue must price in it")]
    lines: Annotated[
        list[LineBody],
        Field(min_length=1, max_length=100, description="the same SKU twice counts as one line, also for its quantity"),
        AfterValidator(_few_enough_of_each),
    ]
    payment_method: Annotated[PaymentMethod, Field(description="the provider's id of the payment method")]
    expected_total_minor: Annotated[
        int | None,
        Field(ge=0, le=MAX_AMOUNT_MINOR, description="what the customer was shown, in minor units; checked if given"),
    ] = None

    def to_request(self, checkout_id: str, requested_at: str, timeouts: Timeouts) -> CheckoutRequest:
        """The same in the shop's own words; ``requested_at`` is ISO 8601 in UTC."""
        return CheckoutRequest(
            checkout_id=checkout_id,
            customer_id=self.customer_id,
            cart_id=self.cart_id,
            currency=self.currency,
            lines=merge_lines(tuple(Line(line.sku, line.quantity) for line in self.lines)),
            payment_method=self.payment_method,
            expected_total_minor=self.expected_total_minor,
            requested_at=requested_at,
            timeouts=timeouts,
        )


class PaymentBody(RequestModel):
    """Another way to pay for the same checkout."""

    payment_method: Annotated[PaymentMethod, Field(description="the provider's id; may be the same again")]


class CancelBody(RequestModel):
    """Nothing needs to be said to cancel; the body may be left out."""


class LineResponse(ResponseModel):
    """One line; name and unit price (minor units) are null until the order is written."""

    sku: str
    name: str | None
    quantity: int
    unit_price_minor: int | None


class NextAction(ResponseModel):
    """The customer has to go there, and comes back by themselves."""

    type: Literal["redirect_to_url"]
    url: Url


class PaymentResponse(ResponseModel):
    """The payment so far; ``attempts`` counts the customer's tries."""

    status: PaymentStatus
    attempts: int
    decline_code: str | None
    retryable: Annotated[
        bool | None, Field(description="after a decline: whether the same method may work later; else null")
    ]
    next_action: Annotated[NextAction | None, Field(description="what the customer has to do, if anything")]


class CheckoutResponse(ResponseModel):
    """The checkout as its customer may see it. Times are ISO 8601 in UTC, amounts minor units of the currency."""

    id: Annotated[str, Field(pattern="^chk_[a-z2-7]{26}$")]
    status: CheckoutStatus
    reason: Annotated[
        Reason | None,
        Field(description="why it ended, or is ending, without an order, or why its payment is stuck"),
    ]
    order_number: str | None
    customer_id: str
    cart_id: str | None
    currency: str
    total_minor: int | None
    lines: tuple[LineResponse, ...]
    payment: PaymentResponse
    created_at: Timestamp
    updated_at: Timestamp
