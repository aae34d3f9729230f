"""Every problem the API answers with, as `application/problem+json` (RFC 9457).

``KINDS`` is the whole table: one row for each stable ``code``. Storefronts switch on ``code``, so a row may be added
and never renamed. ``detail`` is for people and never repeats what the caller sent.
"""

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

PROBLEM_JSON: Final = "application/problem+json"
_log = logging.getLogger("checkout.api")


@dataclass(frozen=True)
class Kind:
    """One row of the table: a stable ``code``, its HTTP status, and when it is answered.

    ``retry_after_seconds`` goes into `Retry-After`: the same request may be sent again. What is shed names
    longer times, each by chance, the more there is to shed.
    """

    code: str
    status: int
    title: str
    retry_after_seconds: int | None = None
    #: Refused on purpose, and often: each is counted, and none is logged.
    is_shed: bool = False

    @property
    def type_uri(self) -> str:
        """The problem type, a URI reference that identifies the kind."""
        return f"/problems/{self.code}"


IDEMPOTENCY_KEY_MISSING = Kind("idempotency_key_missing", 400, "The header Idempotency-Key is required")
IDEMPOTENCY_KEY_MALFORMED = Kind("idempotency_key_malformed", 400, "The header Idempotency-Key is malformed")
MALFORMED_JSON = Kind("malformed_json", 400, "The body is not a JSON object")
INVALID_SIGNATURE = Kind("invalid_signature", 400, "The event is not signed by the provider")
INVALID_EVENT = Kind("invalid_event", 400, "The body is not an event of the provider")
UNAUTHORIZED = Kind("unauthorized", 401, "No valid API key")
WRONG_SCOPE = Kind("wrong_scope", 403, "The API key may not do this")
NOT_FOUND = Kind("not_found", 404, "There is nothing at this address")
UNKNOWN_CHECKOUT = Kind("unknown_checkout", 404, "There is no such checkout")
METHOD_NOT_ALLOWED = Kind("method_not_allowed", 405, "The method is not allowed here")
NOT_CANCELLABLE = Kind("not_cancellable", 409, "The checkout can no longer be cancelled")
NO_PAYMENT_AWAITED = Kind("no_payment_awaited", 409, "The checkout awaits no payment")
NOT_STUCK = Kind("not_stuck", 409, "The payment is not stuck")
ACTION_UNDER_WAY = Kind("action_under_way", 409, "Another action on this payment is under way")
OUTCOME_STILL_UNKNOWN = Kind("outcome_still_unknown", 409, "What became of the payment is still unknown")
UPDATE_LIMIT_REACHED = Kind("update_limit_reached", 409, "Temporal takes no further action for this checkout")
CONTRADICTED_BY_PROVIDER = Kind("contradicted_by_provider", 409, "The provider says otherwise")
REQUEST_TIMEOUT = Kind("request_timeout", 408, "The body did not arrive in time")
BODY_TOO_LARGE = Kind("body_too_large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE = Kind("unsupported_media_type", 415, "The body must be application/json")
INVALID_REQUEST = Kind("invalid_request", 422, "The body breaks the schema")
INVALID_QUERY = Kind("invalid_query", 422, "The query string breaks the schema")
IDEMPOTENCY_KEY_REUSED = Kind("idempotency_key_reused", 422, "The Idempotency-Key was used with another body")
CHECKOUT_FAILED = Kind("checkout_failed", 500, "The checkout has failed; support has to look at it")
INTERNAL_ERROR = Kind("internal_error", 500, "Something is wrong on our side")
REFUSED_TOO_OFTEN = Kind("refused_too_often", 429, "This action was just refused too often", retry_after_seconds=1)
TOO_MANY_AT_ONCE = Kind("too_many_at_once", 429, "Too many actions are under way", retry_after_seconds=2)
TOO_MANY_REQUESTS = Kind("too_many_requests", 429, "This key asks for more than its share", 1, is_shed=True)
OVERLOADED = Kind("overloaded", 503, "The shop has more to do than it can finish in time", 1, is_shed=True)
ARTICLE_IN_DEMAND = Kind("article_in_demand", 503, "An article is asked for faster than it is sold", 1, is_shed=True)
TEMPORAL_UNAVAILABLE = Kind("temporal_unavailable", 503, "Temporal cannot be reached", retry_after_seconds=2)
TEMPORAL_OVERLOADED = Kind("temporal_overloaded", 503, "There is more to do than can be done", retry_after_seconds=2)
WORKER_UNAVAILABLE = Kind("worker_unavailable", 503, "No worker answers at the moment", retry_after_seconds=2)

KINDS: Final[Mapping[str, Kind]] = {kind.code: kind for kind in list(globals().values()) if isinstance(kind, Kind)}
_FRAMEWORKS_OWN = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}


class Problem(Exception):
    """An answer that is a problem: its kind, a sentence for people, and headers and members of its own."""

    def __init__(
        self, kind: Kind, detail: str, *, headers: Mapping[str, str] | None = None, members: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def problem_body(kind: Kind, detail: str, members: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The members of one occurrence; ``instance`` names it, so that a log line can be found by it."""
    standard = {"type": kind.type_uri, "title": kind.title, "status": kind.status, "detail": detail}
    return {**standard, "instance": f"urn:uuid:{uuid.uuid4()}", "code": kind.code, **members}


def answer_problem(problem: Problem) -> Response:
    """The response for one problem; those on our side are logged under their ``instance``."""
    kind = problem.kind
    body = problem_body(kind, problem.detail, problem.members)
    if kind.status >= 500 and not kind.is_shed:
        _log.warning("%s %s: %s (%r)", kind.code, body["instance"], problem.detail, _root(problem))
    headers = {"Cache-Control": "no-store", **problem.headers}
    if kind.retry_after_seconds is not None:
        headers.setdefault("Retry-After", str(kind.retry_after_seconds))
    return Response(json.dumps(body), kind.status, headers, PROBLEM_JSON)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem: ours, the framework's own, and what nobody expected."""
    app.add_exception_handler(Problem, _ours)
    app.add_exception_handler(HTTPException, _frameworks)
    app.add_exception_handler(Exception, _unexpected)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


async def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class alone
    return answer_problem(error)


async def _frameworks(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    status = HTTPStatus(error.status_code)
    kind = _FRAMEWORKS_OWN.get(status) or Kind(f"http_{status.value}", status.value, status.phrase)
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"  # See `HeadMiddleware`, of which the framework's router knows nothing.
    return answer_problem(Problem(kind, f"{status.phrase}.", headers=headers))


async def _unexpected(_: Request, error: Exception) -> Response:
    # The framework raises the error again after this answer, and the server logs it with its traceback.
    return answer_problem(Problem(INTERNAL_ERROR, f"An unexpected {type(error).__name__}; it has been logged."))
