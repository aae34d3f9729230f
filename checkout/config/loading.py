"""Reading settings from the environment: whole groups of them, and everything that is wrong with them at once."""

from typing import Any, Final, TypeVar, overload

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from checkout.domain.errors import ConfigurationError

PREFIX: Final = "CHECKOUT_"
#: What pydantic calls a value that is needed and not there.
_MISSING: Final = "missing"


class Group(BaseSettings):
    """Settings that are read together."""

    # An empty variable (as docker compose passes an unset one) counts as missing.
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")


_A = TypeVar("_A", bound=Group)
_B = TypeVar("_B", bound=Group)
_C = TypeVar("_C", bound=Group)
_D = TypeVar("_D", bound=Group)


def load(group: type[_A], **options: str | None) -> _A:
    """Read one group of settings from the environment; an option that is given counts instead of its variable.

    Raises:
        ConfigurationError: one or more are missing or malformed; each is named, none is shown.
    """
    try:
        given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        return group(**given)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(group, each) for each in error.errors())) from None


@overload
def load_all(first: type[_A], second: type[_B], /) -> tuple[_A, _B]: ...
@overload
def load_all(first: type[_A], second: type[_B], third: type[_C], /) -> tuple[_A, _B, _C]: ...
@overload
def load_all(first: type[_A], second: type[_B], third: type[_C], fourth: type[_D], /) -> tuple[_A, _B, _C, _D]: ...
def load_all(*groups: type[Group]) -> tuple[Group, ...]:
    """Read every group that a process needs, so that nobody has to find out what is wrong one by one.

    Raises:
        ConfigurationError: one or more settings of any group are missing or malformed; each is named once, on a line.
    """
    loaded: list[Group] = []
    faults: dict[str, None] = {}
    for group in groups:
        try:
            loaded.append(load(group))
        except ConfigurationError as error:
            faults |= dict.fromkeys(str(error).splitlines())
    if faults:
        raise ConfigurationError("\n".join(faults))
    return tuple(loaded)


def not_set(why: str) -> PydanticCustomError:
    """What a check raises when a setting that may be left out is needed after all; ``why`` says what for."""
    return PydanticCustomError(_MISSING, "{why}", {"why": why})


def _explain(group: type[Group], error: ErrorDetails) -> str:
    """The line for one variable, without its value. A setting that two groups read has the same line in both."""
    name, message = str(error["loc"][0]), error["msg"].removeprefix("Value error, ")
    variable = f"{group.model_config['env_prefix']}{name}".upper()
    state = "is not set" if error["type"] == _MISSING else "is malformed"
    detail = "" if message == "Field required" else f": {message}"
    return f"{variable} {state}{detail} ({group.model_fields[name].description})"
