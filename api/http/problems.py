"""Every problem that the API responds with, as `application/problem+json` (RFC 9457).

``PROBLEM_KINDS`` is the whole table: one row for each stable ``code``. Storefronts switch on ``code``, so a row may be
added and never renamed. ``detail`` is for people and never repeats what the caller sent.
"""

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

PROBLEM_JSON: Final = "application/problem+json"
_log = logging.getLogger("checkout.api")


@dataclass(frozen=True)
class ProblemKind:
    """One row of the table: a stable ``code``, its HTTP status, and a title that says when it occurs.

    ``retry_after_seconds`` goes into `Retry-After`: the same request may be sent again. A request that is shed gets a
    random time instead, the longer the more requests are shed.
    """

    code: str
    status: int
    title: str
    retry_after_seconds: int | None = None
    #: Refused on purpose because of load: counted, but not logged.
    is_shed: bool = False

    @property
    def type_uri(self) -> str:
        """The problem type, a URI reference that identifies the kind."""
        return f"/problems/{self.code}"


_registered: dict[str, ProblemKind] = {}
#: The whole table, by code.
PROBLEM_KINDS: Final[Mapping[str, ProblemKind]] = MappingProxyType(_registered)


def _kind(
    code: str, status: int, title: str, retry_after_seconds: int | None = None, *, is_shed: bool = False
) -> ProblemKind:
    """Add one row to the table."""
    return _registered.setdefault(code, ProblemKind(code, status, title, retry_after_seconds, is_shed))


IDEMPOTENCY_KEY_MISSING = _kind("idempotency_key_missing", 400, "The header Idempotency-Key is required")
IDEMPOTENCY_KEY_MALFORMED = _kind("idempotency_key_malformed", 400, "The header Idempotency-Key is malformed")
MALFORMED_JSON = _kind("malformed_json", 400, "The body is not complete, or not a JSON object")
INVALID_SIGNATURE = _kind("invalid_signature", 400, "The event is not signed by the provider")
INVALID_EVENT = _kind("invalid_event", 400, "The body is not an event of the provider")
UNAUTHORIZED = _kind("unauthorized", 401, "No valid API key")
WRONG_SCOPE = _kind("wrong_scope", 403, "The API key has the wrong scope")
NOT_FOUND = _kind("not_found", 404, "There is nothing at this address")
UNKNOWN_CHECKOUT = _kind("unknown_checkout", 404, "The checkout does not exist")
METHOD_NOT_ALLOWED = _kind("method_not_allowed", 405, "The method is not allowed here")
NOT_CANCELLABLE = _kind("not_cancellable", 409, "The checkout can no longer be cancelled")
NO_PAYMENT_AWAITED = _kind("no_payment_awaited", 409, "The checkout does not wait for a payment")
NOT_STUCK = _kind("not_stuck", 409, "The payment is not stuck")
ACTION_UNDER_WAY = _kind("action_under_way", 409, "Another action on this payment is in progress")
OUTCOME_STILL_UNKNOWN = _kind("outcome_still_unknown", 409, "The outcome of the payment is still unknown")
UPDATE_LIMIT_REACHED = _kind("update_limit_reached", 409, "Temporal accepts no further action for this checkout")
CONTRADICTED_BY_PROVIDER = _kind("contradicted_by_provider", 409, "The provider contradicts this")
REQUEST_TIMEOUT = _kind("request_timeout", 408, "The body did not arrive in time")
BODY_TOO_LARGE = _kind("body_too_large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE = _kind("unsupported_media_type", 415, "The body must be application/json")
INVALID_REQUEST = _kind("invalid_request", 422, "The body breaks the schema")
INVALID_QUERY = _kind("invalid_query", 422, "The query string breaks the schema")
IDEMPOTENCY_KEY_REUSED = _kind("idempotency_key_reused", 422, "The Idempotency-Key was used with another body")
CHECKOUT_FAILED = _kind("checkout_failed", 500, "The checkout has failed; support has to look at it")
INTERNAL_ERROR = _kind("internal_error", 500, "An internal error")
REFUSED_TOO_OFTEN = _kind(
    "refused_too_often", 429, "This action was refused too often in the last seconds", retry_after_seconds=1
)
TOO_MANY_AT_ONCE = _kind("too_many_at_once", 429, "Too many actions are in progress", retry_after_seconds=2)
TOO_MANY_REQUESTS = _kind("too_many_requests", 429, "This key uses more than its share", 1, is_shed=True)
OVERLOADED = _kind("overloaded", 503, "The shop is overloaded", 1, is_shed=True)
ARTICLE_IN_DEMAND = _kind("article_in_demand", 503, "Demand for an article is too high", 1, is_shed=True)
TEMPORAL_UNAVAILABLE = _kind("temporal_unavailable", 503, "Temporal cannot be reached", retry_after_seconds=2)
TEMPORAL_OVERLOADED = _kind("temporal_overloaded", 503, "Temporal is overloaded", retry_after_seconds=2)
WORKER_UNAVAILABLE = _kind("worker_unavailable", 503, "No worker responds", retry_after_seconds=2)

#: What a route responds with that asks who is calling, reads a body, or sends the workflow an update; and any route.
OF_CALLERS: Final = (UNAUTHORIZED, WRONG_SCOPE, OVERLOADED)
OF_BODIES: Final = (MALFORMED_JSON, REQUEST_TIMEOUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST)
OF_UPDATES: Final = (REFUSED_TOO_OFTEN, TOO_MANY_AT_ONCE, UPDATE_LIMIT_REACHED, WORKER_UNAVAILABLE)
OF_ANY_ROUTE: Final = (INTERNAL_ERROR, TEMPORAL_UNAVAILABLE, TEMPORAL_OVERLOADED)

_OF_FRAMEWORK = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}


class Problem(Exception):
    """Raised for a response that is a problem: its kind, a sentence for people, and headers and members of its own."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] = {},
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def problem_body(kind: ProblemKind, detail: str, members: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The members of one occurrence; ``instance`` names it, so that a log line can be found by it."""
    standard = {"type": kind.type_uri, "title": kind.title, "status": kind.status, "detail": detail}
    return {**standard, "instance": f"urn:uuid:{uuid.uuid4()}", "code": kind.code, **members}


def problem_response(problem: Problem) -> Response:
    """The response for one problem; a 5xx is logged under its ``instance``, unless it was shed."""
    kind = problem.kind
    body = problem_body(kind, problem.detail, problem.members)
    if kind.status >= 500 and not kind.is_shed:
        _log.warning("%s %s: %s (%r)", kind.code, body["instance"], problem.detail, _root(problem))
    headers = {"Cache-Control": "no-store", **problem.headers}
    if kind.retry_after_seconds is not None:
        headers.setdefault("Retry-After", str(kind.retry_after_seconds))
    return Response(json.dumps(body), kind.status, headers, PROBLEM_JSON)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem: a `Problem`, the framework's own errors, and unexpected ones."""
    app.add_exception_handler(Problem, _known)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(Exception, _unexpected)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class alone
    return problem_response(error)


async def _of_framework(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    status = HTTPStatus(error.status_code)
    kind = _OF_FRAMEWORK.get(status) or ProblemKind(f"http_{status.value}", status.value, status.phrase)
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"  # See `HeadMiddleware`, of which the framework's router knows nothing.
    return problem_response(Problem(kind, f"{status.phrase}.", headers=headers))


async def _unexpected(_: Request, error: Exception) -> Response:
    # The framework raises the error again after this response, and the server logs it with its traceback.
    problem = Problem(INTERNAL_ERROR, "An unexpected error. The log has it under `instance`.")
    problem.__cause__ = error
    return problem_response(problem)
