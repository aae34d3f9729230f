"""Calls the support routes, and turns every refusal into words."""

import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from checkout.cli.dev_stack import find_dev_stack
from checkout.config.settings import SupportSettings, load
from checkout.domain.errors import CheckoutError, ConfigurationError

DEFAULT_URL: Final = "http://127.0.0.1:8000"
#: Above what the API allows any action.
_TIMEOUT_SECONDS: Final = 40.0
_PLACE: Final = "/v1/support/checkouts"


class Refused(CheckoutError):
    """The API says no, or cannot be reached. The text tells what it said."""


class SupportClient:
    """The support routes of one API, under one key."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def find(self, filters: Mapping[str, str]) -> dict[str, Any]:
        """A page of checkouts.

        Raises:
            Refused: the API says no, or cannot be reached.
        """
        return self._call("GET", _PLACE, params=filters)

    def look_up(self, checkout_id: str) -> dict[str, Any]:
        """A checkout with its timeline; raises as `find` does."""
        return self._call("GET", _of(checkout_id))

    def act(
        self, checkout_id: str, action: str, body: Mapping[str, str], idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """The view after an action; raises as `find` does."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._call("POST", f"{_of(checkout_id)}/{action}", json=body, headers=headers)

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, **content)
        except httpx.TimeoutException as error:
            text = f"the API at {self._url} did not respond in time: the action may still take effect"
            raise Refused(text) from error
        except httpx.HTTPError as error:
            raise Refused(f"the API at {self._url} cannot be reached: {error}; is it running?") from error
        if not response.is_success:
            raise Refused(_in_words(response))
        return _object(response)


def open_client(url: str | None, key: str | None) -> SupportClient:
    """A client as the options say, or else the environment, or else for the developer's stack whose data is here.

    Raises:
        ConfigurationError: there is no key, or the URL or the key is malformed.
    """
    settings = load(SupportSettings, api_url=url, support_key=key)
    if settings.support_key:
        return SupportClient(settings.api_url or DEFAULT_URL, settings.support_key.get_secret_value())
    # The developer's key goes to the developer's API, and to no other.
    stack = None if settings.api_url else find_dev_stack()
    if stack is None:
        raise ConfigurationError(
            "CHECKOUT_SUPPORT_KEY is not set (a key of the scope support; or give --key), "
            "and no development stack runs in this directory (`make dev`)"
        )
    return SupportClient(stack.api_url, stack.support_key)


def _of(checkout_id: str) -> str:
    return f"{_PLACE}/{quote(checkout_id, safe='')}"


def _in_words(response: httpx.Response) -> str:
    """What a problem says, field by field."""
    problem = _object(response)
    lines = [f"{problem.get('title', 'an error')} ({response.status_code} {problem.get('code', '-')})"]
    lines.append(str(problem.get("detail", "")))
    lines += [f"{error['field']}: {error['message']}" for error in problem.get("errors") or ()]
    return "\n".join(line for line in lines if line)


def _object(response: httpx.Response) -> dict[str, Any]:
    sent = f"{response.url} responds with {response.status_code}"
    try:
        value = response.json()
    except ValueError as error:
        raise Refused(f"{sent} and no JSON: is that the checkout's API?") from error
    if not isinstance(value, dict):
        raise Refused(f"{sent} and no JSON object: is that the checkout's API?")
    return value
