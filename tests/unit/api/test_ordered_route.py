"""A request is read in order: the caller first, then what admits the request, and the body last."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from temporalio.client import Client

from api.app import create_app
from api.http.ordered_route import OrderedRoute, Reads, Unread
from api.http.schemas import RequestModel
from tests.support.api_process import STOREFRONT_KEY, SUPPORT_KEY, api_settings


class Sent(RequestModel):
    count: int


async def status_without_body(app: FastAPI, path: str, **headers: str) -> int:
    """The status of a POST whose body never arrives; the test fails if anything waits for it."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": raw}
    await app(scope, receive, send)
    return statuses[0]


@pytest.fixture
async def app() -> FastAPI:
    return create_app(api_settings(), await Client.connect("127.0.0.1:1", lazy=True))


@pytest.mark.parametrize("path", ["/v1/checkouts", "/v1/checkouts/x/payment", "/v1/checkouts/x/cancel"])
@pytest.mark.parametrize(("key", "status"), [("unknown", 401), (SUPPORT_KEY, 403)])
async def test_a_caller_is_refused_before_a_byte_of_the_body_is_read(
    app: FastAPI, path: str, key: str, status: int
) -> None:
    assert await status_without_body(app, path, authorization=f"Bearer {key}") == status


async def test_a_missing_idempotency_key_is_refused_before_a_byte_of_the_body_is_read(app: FastAPI) -> None:
    assert await status_without_body(app, "/v1/checkouts", authorization=f"Bearer {STOREFRONT_KEY}") == 400


async def test_a_full_shop_refuses_before_a_byte_of_the_body_is_read(app: FastAPI) -> None:
    gate = app.state.storefront.gate
    while gate._room.under_way < gate._room.limit:
        gate._room.take("shop")
    headers = {"authorization": f"Bearer {STOREFRONT_KEY}", "idempotency_key": "k"}
    assert await status_without_body(app, "/v1/checkouts", **headers) == 503


async def test_parameters_are_read_in_the_order_of_the_signature() -> None:
    order: list[str] = []

    def reads(name: str) -> Reads:
        return Reads(lambda _: order.append(name))

    router = APIRouter(route_class=OrderedRoute)

    @router.post("/")
    async def handler(a: Annotated[str, reads("a")], request: Request, b: Annotated[str, reads("b")] = "") -> Response:
        return Response(status_code=204)

    app = FastAPI()
    app.include_router(router)
    assert (await status_without_body(app, "/"), order) == (204, ["a", "b"])


def test_a_parameter_that_does_not_say_how_it_is_read_is_refused_when_the_route_is_made() -> None:
    router = APIRouter(route_class=OrderedRoute)

    async def handler(limit: int) -> Response:
        return Response()

    with pytest.raises(TypeError, match=r"handler\(limit\) does not say how it is read"):
        router.add_api_route("/", handler)


async def _async(request: Request) -> str:
    return ""


async def _async_with_cleanup(request: Request) -> AsyncIterator[str]:
    yield ""


def _with_cleanup(request: Request) -> Iterator[str]:
    yield ""


def _of_a_query(limit: int) -> str:
    return ""


def _of_more(request: Request, limit: int = 1) -> str:
    return ""


def _of_nothing() -> str:
    return ""


class _AsyncCallable:
    async def __call__(self, request: Request) -> str:
        return ""


@pytest.mark.parametrize(
    "dependency",
    [_async, _async_with_cleanup, _with_cleanup, _of_a_query, _of_more, _of_nothing, _AsyncCallable()],
    ids=lambda dependency: getattr(dependency, "__name__", type(dependency).__name__),
)
def test_a_dependency_that_is_no_plain_function_of_the_request_is_refused_when_the_route_is_made(
    dependency: Callable[..., Any],
) -> None:
    router = APIRouter(route_class=OrderedRoute)

    async def handler(value: Any) -> Response:
        return Response()

    handler.__annotations__["value"] = Annotated[str, Depends(dependency)]
    with pytest.raises(TypeError, match=r"handler\(value\) depends on what is not a plain function"):
        router.add_api_route("/", handler)


def test_a_dependency_that_is_no_parameter_is_refused_when_the_route_is_made() -> None:
    router = APIRouter(route_class=OrderedRoute)

    async def handler(request: Request) -> Response:
        return Response()

    with pytest.raises(TypeError, match="handler has dependencies that are no parameters"):
        router.add_api_route("/", handler, dependencies=[Depends(lambda: None)])


def test_an_unread_body_is_documented_as_the_body() -> None:
    app = FastAPI()
    router = APIRouter(route_class=OrderedRoute)

    @router.post("/")
    async def handler(sent: Unread[Sent]) -> Response:
        return Response()

    app.include_router(router)
    body = app.openapi()["paths"]["/"]["post"]["requestBody"]
    assert body == {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sent"}}},
        "required": True,
    }
