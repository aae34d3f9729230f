"""What all bodies have in common: how one is validated, how its errors are worded, and what a problem looks like."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from api.http.problems import INVALID_REQUEST, Problem, ProblemKind
from checkout.domain.text import looks_like_a_card_number

MAX_REPORTED_ERRORS: Final = 50
_B = TypeVar("_B", bound=BaseModel)

#: ISO 8601 in UTC. It is a string here as in the domain: only the document says more.
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]


class RequestModel(BaseModel):
    """A request body: no unknown field, and no type is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ResponseModel(BaseModel):
    """A response body, made from the domain's objects."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class StatusResponse(ResponseModel):
    """A response of one word."""

    status: str


class FieldError(BaseModel):
    """One field that breaks the schema, and what it should be."""

    field: str
    message: str


class ProblemResponse(BaseModel):
    """An error (RFC 9457). ``code`` is stable; ``errors`` is there when fields break the schema."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    title: str
    status: int
    detail: str
    instance: Url
    code: str
    errors: list[FieldError] | None = None


def no_card(value: str) -> str:
    """The value, unless it holds what looks like a card number."""
    if looks_like_a_card_number(value):
        raise PydanticCustomError(
            "card_number", "this looks like a card number; never send one, send the provider's payment method (pm_...)"
        )
    return value


@dataclass(frozen=True)
class Matches:
    """An annotation of a string that has to match the whole pattern; the error says ``in_words`` what it must be."""

    pattern: str
    in_words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validation, for pydantic."""
        matches = re.compile(self.pattern).fullmatch

        def matching(value: str) -> str:
            if matches(value) is None:
                raise PydanticCustomError("pattern", "{in_words}", {"in_words": self.in_words})
            return value

        return no_info_after_validator_function(matching, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Documentation, for pydantic."""
        return {**handler(schema), "pattern": f"^{self.pattern}$"}


class Omittable:
    """An annotation of a query parameter that is None when it is left out: there is no null in a query string."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Documentation, for pydantic."""
        given: list[dict[str, Any]] = [each for each in handler(schema)["anyOf"] if each != {"type": "null"}]
        return given[0]


def validate(model: type[_B], value: Mapping[str, Any], kind: ProblemKind = INVALID_REQUEST) -> _B:
    """The value as the model.

    Raises:
        Problem: of this kind (422), with every field that breaks the schema.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _invalid(error, kind) from None


def _invalid(error: ValidationError, kind: ProblemKind) -> Problem:
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
        return "must be an object"  # Pydantic's own text names the class.
    return entry["msg"]
