"""Routes whose handlers read a request in the order of their parameters, and its body last.

FastAPI reads the whole body before anything else. Here the caller is authenticated and admitted first, and only then
is anything of a body received; so a handler gets its body `Unread`, and reads it itself. FastAPI documents handlers by
their signatures all the same: each parameter has the annotation that FastAPI knows (``Security``, ``Path``, ``Header``,
``Query``, ``Body``), and one that says how it is read.
"""

import inspect
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from fastapi import Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from api.http.bodies import parse_object, read_bytes, refuse_other_media_types
from api.http.schemas import validate

_M = TypeVar("_M", bound=BaseModel)
_Read = Callable[[Request], Any]


@dataclass(frozen=True)
class Reads:
    """How a parameter is read, such as ``Annotated[str, Header(alias="Idempotency-Key"), Reads(read_key)]``."""

    read: _Read


class Unread(Generic[_M]):
    """A body of which nothing has been received yet."""

    def __init__(self, request: Request, model: type[_M]) -> None:
        self._request = request
        self._model = model

    async def read(self) -> _M:
        """The body, validated.

        Raises:
            Problem: 408, 413, 415, 400 or 422, as `read_bytes`, `refuse_other_media_types`, `parse_object` and
                `validate` do, in this order.
        """
        return self._validated(await read_bytes(self._request))

    async def read_if_any(self) -> _M | None:
        """The same; None when the body is empty."""
        raw = await read_bytes(self._request)
        return self._validated(raw) if raw else None

    def _validated(self, raw: bytes) -> _M:
        refuse_other_media_types(self._request)
        return validate(self._model, parse_object(raw))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In the OpenAPI document, it is the body."""
        [model] = get_args(source)
        return handler.generate_schema(model)


class OrderedRoute(APIRoute):
    """A route of FastAPI's that calls its handler with each parameter read in order, and without validating twice.

    A dependency is a plain function of the `Request`. Refused when the route is made: a dependency that is async, that
    yields, or that has dependencies or parameters of its own; and ``dependencies=`` of a route or router. Ignored:
    `dependency_overrides`; and each use of a dependency calls it again.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own hook for another way to read requests."""
        if self.dependencies:
            raise TypeError(f"{self.endpoint.__name__} has dependencies that are no parameters of its handler")
        endpoint, readers = self.endpoint, tuple(_readers(self.endpoint))

        async def handle(request: Request) -> Response:
            response: Response = await endpoint(*[read(request) for read in readers])
            return response

        return handle


def _readers(endpoint: Callable[..., Any]) -> Iterator[_Read]:
    hints = get_type_hints(endpoint, include_extras=True)
    hints.pop("return", None)
    for name, hint in hints.items():
        yield _reader(f"{endpoint.__name__}({name})", hint)


def _reader(name: str, hint: Any) -> _Read:
    annotated, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    for each in metadata:
        if isinstance(each, Reads):
            return each.read
        if isinstance(each, Depends) and each.dependency:
            return _refuse_unless_plain(name, each.dependency)
    if get_origin(annotated) is Unread:
        return partial(Unread, model=get_args(annotated)[0])
    if annotated is Request:
        return lambda request: request
    raise TypeError(f"{name} does not say how it is read")


def _refuse_unless_plain(name: str, dependency: Callable[..., Any]) -> _Read:
    """The dependency, if it can be called with the request alone and returns the value itself."""
    function = dependency if inspect.isroutine(dependency) else type(dependency).__call__
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    parameters = inspect.signature(dependency, eval_str=True).parameters.values()
    if any(is_kind(function) for is_kind in kinds) or [one.annotation for one in parameters] != [Request]:
        raise TypeError(f"{name} depends on what is not a plain function of a single Request")
    return dependency
