"""Stripe's error responses (https://docs.stripe.com/api/errors)."""

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """A response that is an error.

    ``saved`` tells whether the response belongs to the idempotency key. Stripe saves what an endpoint responded once it
    had begun to execute, and nothing of what was refused before (https://docs.stripe.com/api/idempotent_requests).
    """

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", saved: bool = False, **fields: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.saved = saved
        named = {name: value for name, value in fields.items() if value is not None}
        self.body: Json = {"error": {"type": kind, "message": message, **named}}


def missing(param: str) -> ApiError:
    """A parameter that the endpoint needs was not sent."""
    return ApiError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(what: str, name: str, param: str, status: int = 400, *, hint: str = "") -> ApiError:
    """An object that is not there: 404 for the one that is asked for, 400 for one that is only named beside it.

    It takes an endpoint that has begun to look, so this response is saved, unlike one to a malformed parameter.
    """
    return ApiError(status, f"No such {what}: '{name}'{hint}", code="resource_missing", param=param, saved=True)


def crash(*, saved: bool) -> ApiError:
    """The provider's own failure. Its clients are told whether a retry can change anything."""
    return ApiError(500, "An unknown error occurred. Please try again later.", kind="api_error", saved=saved)


def unavailable() -> ApiError:
    """The provider does not serve this now; nothing was begun."""
    return ApiError(503, "The service is temporarily unavailable. Please try again later.", kind="api_error")


def key_reused(key: str, *, endpoint: str | None = None) -> ApiError:
    """The idempotency key belongs to another request."""
    rule = f"for the same endpoint they were first used for ('{endpoint}')"
    if endpoint is None:
        rule = "with the same parameters they were first used with"
    return ApiError(
        400,
        f"Keys for idempotent requests can only be used {rule}. Try using a key other than '{key}' if you meant to "
        "execute a different request.",
        kind="idempotency_error",
    )


def key_in_use(key: str) -> ApiError:
    """A request with this idempotency key is still being executed."""
    return ApiError(
        409,
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later.",
        code="idempotency_key_in_use",
    )


def unexpected_state(verb: str, intent: Json) -> ApiError:
    """The intent's status does not allow what was asked."""
    return ApiError(
        400,
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
        saved=True,
    )
