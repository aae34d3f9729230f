"""What support sends (reasons, resolutions, filters), and what it gets: the list, and a checkout with its timeline."""

import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.http.schemas import Matches, Omittable, RequestModel, ResponseModel, Timestamp, Url, no_card
from api.storefront.schemas import CheckoutResponse, PaymentMethod
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.domain.text import looks_like_a_card_number
from checkout.domain.view import TimelineKind

MAX_LIMIT: Final = 100
#: Control characters, and the two that break lines without being one.
_UNWANTED: Final = frozenset({"Cc", "Zl", "Zp"})
#: The same for the OpenAPI document: one line that says something, with any white space around it.
_ONE_LINE: Final = r"^\s*[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\s\x00-\x1f\x7f-\x9f])?\s*$"
#: Visible ASCII, without what Temporal cannot search for.
_SEARCHABLE: Final = r"^[!#-&(-\[\]-~]{1,128}$"


class SupportAction(StrEnum):
    """What support may do with a checkout."""

    RETRY_PAYMENT = "retry_payment"
    RESOLVE_PAYMENT = "resolve_payment"
    CANCEL = "cancel"


class PaymentResolution(StrEnum):
    """How a person resolves a stuck payment."""

    CAPTURED = "captured"
    NOT_CHARGED = "not_charged"


class WorkflowState(StrEnum):
    """The state of a checkout's workflow in Temporal; only while it is running does the checkout go on."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    CONTINUED_AS_NEW = "continued_as_new"
    TIMED_OUT = "timed_out"


def _one_line(value: str) -> str:
    text = value.strip()
    if not text:
        raise PydanticCustomError("blank", "must say something")
    if any(unicodedata.category(char) in _UNWANTED for char in text):
        raise PydanticCustomError("control", "must be one line, without control characters")
    if looks_like_a_card_number(text):
        raise PydanticCustomError("card_number", "this holds what looks like a card number; leave it out")
    return text


def _searchable(value: str) -> str:
    # Temporal's list filters lose or misread these, even where they are escaped: the list would be empty, or have
    # another customer's checkouts.
    if not re.fullmatch(r"[!-~]{1,128}", value):
        raise PydanticCustomError("searchable", "must be 1 to 128 visible ASCII characters, without spaces")
    if any(char in value for char in "'\"\\"):
        raise PydanticCustomError("searchable", "Temporal cannot search for a quote or a backslash")
    return value


def _moment(value: object) -> object:
    """ISO 8601; without an offset it is UTC, and a space before an offset was a `+` in the URL."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("moment", "must be a date and time of ISO 8601, such as 2026-11-23T09:30Z") from None


ReasonText = Annotated[
    str, Field(min_length=1, max_length=500, json_schema_extra={"pattern": _ONE_LINE}), AfterValidator(_one_line)
]
Searched = Annotated[
    str,
    Field(json_schema_extra={"pattern": _SEARCHABLE}),
    AfterValidator(_searchable),
    AfterValidator(no_card),
]
Moment = Annotated[datetime, BeforeValidator(_moment)]
ProviderReference = Annotated[
    str,
    Matches("[A-Za-z0-9_]{1,255}", "must be 1 to 255 letters, digits or underscores"),
    AfterValidator(no_card),
]


class RetryBody(RequestModel):
    """Charge again, once it is certain that the previous try took no money."""

    reason: Annotated[ReasonText, Field(description="why, for the audit log; one line")]
    payment_method: Annotated[PaymentMethod | None, Field(description="another method; none: the same again")] = None


class ResolveBody(RequestModel):
    """What a person knows of the stuck payment. The provider is asked, and its word counts when it responds."""

    outcome: Annotated[PaymentResolution, Field(strict=False, description="whether the money was taken")]
    provider_reference: Annotated[
        ProviderReference | None,
        Field(
            description="the provider's id of the payment (pi_...): needed for a capture when the provider is silent"
        ),
    ] = None
    reason: Annotated[ReasonText, Field(description="how it is known, for the audit log; one line")]


class SupportCancelBody(RequestModel):
    """Undo the checkout now."""

    reason: Annotated[ReasonText, Field(description="why, for the audit log; one line")]


class ListQuery(BaseModel):
    """The filters of the list, which all have to match, and the page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[CheckoutStatus | None, Omittable(), Field(description="where the checkout stands")] = None
    customer_id: Annotated[Searched | None, Omittable(), Field(description="this customer's")] = None
    order_number: Annotated[Searched | None, Omittable(), Field(description="the one with this order number")] = None
    since: Annotated[Moment | None, Omittable(), Field(description="created then or later; ISO 8601")] = None
    until: Annotated[Moment | None, Omittable(), Field(description="created before then; ISO 8601")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="at most so many")] = 50
    cursor: Annotated[
        str | None, Omittable(), Field(max_length=1000, description="`next_cursor` of the page before")
    ] = None

    @property
    def filters(self) -> dict[str, str]:
        """The filters alone, as text: what a cursor belongs to."""
        return {name: str(value) for name, value in self if value is not None and name not in ("limit", "cursor")}


class ListedCheckout(ResponseModel):
    """One checkout as Temporal lists it. The statuses are the last that it published, whatever its workflow's state."""

    id: str
    status: CheckoutStatus
    payment_status: PaymentStatus
    workflow: Annotated[WorkflowState, Field(description="`running` or `completed`, if all is well")]
    customer_id: str | None
    order_number: str | None
    created_at: Timestamp
    ended_at: Timestamp | None
    temporal_ui_url: Url | None


class ListResponse(ResponseModel):
    """A page of checkouts, newest first."""

    checkouts: tuple[ListedCheckout, ...]
    next_cursor: Annotated[str | None, Field(description="for the next page; null on the last")]
    mismatches: Annotated[
        int | None, Field(description="mismatches that the last reconciliation could not repair; null before the first")
    ]


class TimelineResponse(ResponseModel):
    """One thing that happened, when, on whose behalf, and why."""

    at: Timestamp
    kind: TimelineKind
    what: str
    actor: str
    reason: str | None


class SupportResponse(CheckoutResponse):
    """The view, and what support needs to act on it."""

    workflow: Annotated[WorkflowState, Field(description="`running` or `completed`, if all is well")]
    can: Annotated[tuple[SupportAction, ...], Field(description="what support may do now")]
    timeline: Annotated[
        tuple[TimelineResponse, ...] | None, Field(description="oldest first; null while no worker responds")
    ]
    temporal_ui_url: Annotated[Url | None, Field(description="the workflow in Temporal's web UI")]
