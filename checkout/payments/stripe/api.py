"""Stripe's API as raw calls: what goes over the wire, and lists page by page."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final

import stripe

from checkout.config.settings import PaymentSettings
from checkout.domain.errors import OutcomeUnknown
from checkout.payments.stripe.http import BoundedClient
from checkout.payments.stripe.objects import Object, read_list

_MAX_PAGES: Final = 200
_MOST_ON_A_PAGE: Final = 100


@dataclass(frozen=True)
class StripeResponse:
    """The data of one response; ``is_replay``: it was saved when the idempotency key was first used."""

    data: Object
    is_replay: bool


class StripeApi:
    """One account at Stripe, or at whatever speaks its API.

    The package's own retries are off. Temporal retries instead, where an operator sees every try and its error, and
    where a retry survives this process. Each method raises the package's errors, and OutcomeUnknown for a body that is
    not Stripe's.
    """

    def __init__(self, settings: PaymentSettings) -> None:
        # The package has no other switch for it. Without it, it measures our calls and tells Stripe.
        stripe.enable_telemetry = False
        self._http = BoundedClient(settings.stripe_api_base, settings.provider_timeout_seconds)
        self._client = stripe.StripeClient(
            settings.stripe_api_key.get_secret_value(),
            base_addresses={"api": settings.stripe_api_base},
            max_network_retries=0,
            http_client=self._http,
        )

    async def send(self, method: str, path: str, key: str | None = None, **params: Any) -> StripeResponse:
        """One call. A POST without a key gets one of its own from the package."""
        # The raw request, for its response is data that can be checked; the typed objects trip over a malformed one.
        try:
            response = await self._client.raw_request_async(method, path, idempotency_key=key, **params)
        except (AttributeError, TypeError) as error:
            # So does the package itself where an error's body is JSON but not Stripe's.
            raise OutcomeUnknown(f"the provider's response is not one of Stripe's ({type(error).__name__})") from None
        if not isinstance(response.data, dict):
            raise OutcomeUnknown("the provider's response is not a JSON object")
        return StripeResponse(response.data, response.headers.get("idempotent-replayed") == "true")

    async def listed(self, path: str, keep: Callable[[Object], bool] = bool, **filters: Any) -> list[Object]:
        """Every object of a list that is to be kept."""
        return [one async for page in self.pages(path, _MOST_ON_A_PAGE, **filters) for one in page if keep(one)]

    async def pages(self, path: str, limit: int, **filters: Any) -> AsyncGenerator[list[Object], None]:
        """A list in pages of ``limit`` objects, 100 at most."""
        cursor: dict[str, str] = {}
        for _ in range(_MAX_PAGES):
            objects, has_more = read_list((await self.send("get", path, limit=limit, **filters, **cursor)).data)
            yield objects
            if not (has_more and objects):
                return
            cursor = {"starting_after": objects[-1]["id"]}
        raise OutcomeUnknown(f"more than {_MAX_PAGES} pages of {path} to look through")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.close_async()
