"""What a route declares of its responses, in the form of FastAPI's ``responses=``: by status a model, or problems."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from api.http.problems import PROBLEM_JSON, ProblemKind
from api.http.schemas import ProblemResponse
from api.openapi.declared_headers import HEADERS
from api.openapi.examples import problem_example

Responses = dict[int | str, dict[str, Any]]


def responds(
    model: type[BaseModel],
    description: str,
    *,
    examples: Iterable[str] = (),
    example: Mapping[str, str] | None = None,
    headers: Iterable[str] = (),
) -> dict[str, Any]:
    """A JSON response of this model. ``examples`` are names of `api.openapi.examples.EXAMPLES`; or one ``example``."""
    # By reference: FastAPI drops every null from what is declared here, and the nulls matter.
    shown = {name: {"$ref": f"#/components/examples/{name}"} for name in examples}
    content = {"example": example} if example else {"examples": shown}
    return {"model": model, "content": {"application/json": content}, **bodiless(description, headers=headers)}


def bodiless(description: str, *, headers: Iterable[str] = ()) -> dict[str, Any]:
    """A response without a body. ``headers`` are names of `api.openapi.declared_headers.HEADERS`."""
    declared = {name: HEADERS[name] for name in headers}
    return {"description": description} | ({"headers": declared} if declared else {})


def problem_responses(*kinds: ProblemKind) -> Responses:
    """The problems that a route may respond with, by status, each with an example."""
    by_status: dict[int, list[ProblemKind]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _of_one_status(same) for status, same in sorted(by_status.items())}


def _of_one_status(kinds: list[ProblemKind]) -> dict[str, Any]:
    examples = {kind.code: {"summary": kind.title, "value": problem_example(kind)} for kind in kinds}
    # FastAPI would put a model under the media type of the route's other responses.
    schema = {"$ref": f"#/components/schemas/{ProblemResponse.__name__}"}
    headers = ["WWW-Authenticate"] if kinds[0].status in (401, 403) else []
    headers += ["Retry-After"] if kinds[0].retry_after_seconds else []
    description = "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds)
    content = {PROBLEM_JSON: {"schema": schema, "examples": examples}}
    return {"content": content, **bodiless(description, headers=headers)}
