"""What the value of a setting has to look like; each check returns it in the one form that the program uses.

A message says what is wrong and how to write it, and shows no secret.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Scope = Literal["storefront", "support"]
Port = Annotated[int, Field(ge=1, le=65535)]


def host_and_port(value: str) -> str:
    """An address without a scheme."""
    if not re.fullmatch(r"[^\s:/]+:\d{1,5}", value):
        raise ValueError("write it as host:port, such as 127.0.0.1:7233")
    return value


def base_url(value: str) -> str:
    """A URL without a path, and without the slash at its end."""
    if not re.fullmatch(r"https?://[^\s/?#]+", value.rstrip("/")):
        raise ValueError("write it as a URL without a path, such as https://api.stripe.com")
    return value.rstrip("/")


def secret_key(value: SecretStr) -> SecretStr:
    """A key of Stripe's that may do something: secret or restricted."""
    if not re.fullmatch(r"(sk|rk)_[!-~]+", value.get_secret_value()):
        raise ValueError("it must be a secret or restricted key, which begins with sk_ or rk_")
    return value


def is_live(key: SecretStr) -> bool:
    """Whether the key moves real money (https://docs.stripe.com/keys)."""
    return key.get_secret_value().startswith(("sk_live_", "rk_live_"))


def account_id(value: str) -> str:
    """The id of an account of Stripe's."""
    if not re.fullmatch(r"acct_[A-Za-z0-9]{1,250}", value):
        raise ValueError("write it as the dashboard shows it, such as acct_1032D82eZvKYlo2C")
    return value


def readable_file(value: Path) -> Path:
    """A file that is there."""
    if not value.is_file():
        raise ValueError(f"{value} is not a file that can be read")
    return value


def page_url(value: str) -> str:
    """Any page or endpoint."""
    if not re.fullmatch(r"https?://[^\s/?#]+([/?#]\S*)?", value):
        raise ValueError("write it as a URL, such as https://shop.example/checkout/paid")
    return value


class ApiKey(BaseModel):
    """One caller: its name, what it may do, and the key that proves it."""

    model_config = ConfigDict(frozen=True)

    name: str
    scope: Scope
    key: SecretStr


def parse_api_keys(value: object) -> object:
    """``name:scope:key``, comma-separated, as entries of their own; what is no text passes."""
    if not isinstance(value, str):
        return value
    keys = []
    for place, entry in enumerate(value.split(","), start=1):
        name, _, rest = entry.strip().partition(":")
        scope, _, key = rest.partition(":")
        # The entry may hold a secret, so the message names its place instead.
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise ValueError(f"entry {place}: the name must be 1-64 letters, digits, - or _ (write name:scope:key)")
        if scope not in ("storefront", "support"):
            raise ValueError(f"entry {place}: the scope must be storefront or support (write name:scope:key)")
        if not re.fullmatch(r"[!-~]{16,256}", key):
            raise ValueError(f"entry {place}: the key must be 16-256 printable characters (write name:scope:key)")
        keys.append({"name": name, "scope": scope, "key": key})
    if len({k["name"] for k in keys}) < len(keys) or len({k["key"] for k in keys}) < len(keys):
        raise ValueError("every entry needs a name and a key of its own")
    return tuple(keys)
