"""What is sent and what is answered, as pydantic models: the validation, and the schemas of the OpenAPI page."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from api.http.problems import INVALID_REQUEST, Kind, Problem
from checkout.domain.messages import CheckoutRequest, Line, Timeouts, merge_lines
from checkout.domain.money import CURRENCIES, MAX_AMOUNT_MINOR
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.domain.text import looks_like_a_card_number

MAX_REPORTED_ERRORS: Final = 50
#: How many units of one article a checkout may ask for.
MAX_QUANTITY: Final = 100_000
_B = TypeVar("_B", bound=BaseModel)


def no_card(value: str) -> str:
    """The value, unless it holds what looks like a card number."""
    if looks_like_a_card_number(value):
        raise PydanticCustomError(
            "card_number", "this looks like a card number; never send one, send the provider's payment method (pm_...)"
        )
    return value


def _active_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise PydanticCustomError("currency", "not an active ISO 4217 currency code in capitals")
    return value


_ID = r"^[!-~]{1,128}$"
_SKU = r"^[!-~]{1,64}$"
_PAYMENT_METHOD = r"^pm_[A-Za-z0-9_]{1,120}$"
_PROVIDER_REFERENCE = r"^[A-Za-z0-9_]{1,255}$"
_IN_WORDS: Final[Mapping[str, str]] = {
    _ID: "must be 1 to 128 visible ASCII characters, without spaces",
    _SKU: "must be 1 to 64 visible ASCII characters, without spaces",
    _PAYMENT_METHOD: "must be pm_ and then 1 to 120 letters, digits or underscores",
    _PROVIDER_REFERENCE: "must be 1 to 255 letters, digits or underscores",
}

Id = Annotated[str, Field(pattern=_ID), AfterValidator(no_card)]
Sku = Annotated[str, Field(pattern=_SKU), AfterValidator(no_card)]
PaymentMethod = Annotated[str, Field(pattern=_PAYMENT_METHOD), AfterValidator(no_card)]
ProviderReference = Annotated[str, Field(pattern=_PROVIDER_REFERENCE), AfterValidator(no_card)]
Currency = Annotated[str, AfterValidator(_active_currency), Field(json_schema_extra={"enum": [*sorted(CURRENCIES)]})]


class Body(BaseModel):
    """What is sent: nothing unknown, and no type is guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LineBody(Body):
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


class CheckoutBody(Body):
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


class PaymentBody(Body):
    """Another way to pay for the same checkout."""

    payment_method: Annotated[PaymentMethod, Field(description="the provider's id; may be the same again")]


class CancelBody(Body):
    """Nothing needs to be said to cancel; the body may be left out."""


class ResponseModel(BaseModel):
    """What is answered."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class LineResponse(ResponseModel):
    """One line; name and unit price (minor units) are null until the order is written."""

    sku: str
    name: str | None
    quantity: int
    unit_price_minor: int | None


class NextAction(ResponseModel):
    """The customer has to go there, and comes back by themselves."""

    type: Literal["redirect_to_url"]
    url: str


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
    reason: Annotated[Reason | None, Field(description="why it ended, or is ending, without an order")]
    order_number: str | None
    customer_id: str
    cart_id: str | None
    currency: str
    total_minor: int | None
    lines: tuple[LineResponse, ...]
    payment: PaymentResponse
    created_at: str
    updated_at: str


class FieldError(BaseModel):
    """One field that breaks the schema, and what it should be."""

    field: str
    message: str


class ProblemResponse(BaseModel):
    """An error (RFC 9457). ``code`` is stable; ``errors`` is there when fields break the schema."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldError] | None = None


def validate(model: type[_B], value: Mapping[str, Any], kind: Kind = INVALID_REQUEST) -> _B:
    """What was sent, as the model.

    Raises:
        Problem: of this kind (422), with every offending field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _invalid(error, kind) from None


def _invalid(error: ValidationError, kind: Kind) -> Problem:
    # `from None` above and no input here: what was sent may be a card number, and goes nowhere.
    details = error.errors(include_url=False, include_input=False)
    errors = [{"field": _path(entry), "message": _message(entry)} for entry in details[:MAX_REPORTED_ERRORS]]
    count = "1 field breaks" if len(details) == 1 else f"{len(details)} fields break"
    more = f"; the first {MAX_REPORTED_ERRORS} are listed" if len(details) > MAX_REPORTED_ERRORS else ""
    return Problem(kind, f"{count} the schema{more}.", members={"errors": errors})


def _path(entry: ErrorDetails) -> str:
    *parents, last = entry["loc"]
    if entry["type"] == "extra_forbidden" and not _is_plain_name(str(last)):
        last = "?"
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in [*parents, last])
    return path.removeprefix(".")


def _is_plain_name(name: str) -> bool:
    # A name that is not one could be anything, a card number too, so it is not repeated.
    return len(name) <= 64 and name.isascii() and name.isidentifier() and not looks_like_a_card_number(name)


def _message(entry: ErrorDetails) -> str:
    if entry["type"] == "extra_forbidden":
        return "unknown field"
    if entry["type"] == "missing":
        return "is required"
    if entry["type"] == "model_type":
        return "must be an object"  # The library's own text names our class.
    if entry["type"] == "string_pattern_mismatch":
        return _IN_WORDS[entry["ctx"]["pattern"]]
    return entry["msg"]
