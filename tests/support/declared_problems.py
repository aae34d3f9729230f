"""Fails a test when a route responds with a problem that it does not declare."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.routing import compile_path

from api.http.problems import PROBLEM_JSON

#: Of addresses and methods that no operation has.
OF_NO_OPERATION = {"not_found", "method_not_allowed"}


def problems_of(operation: dict[str, Any]) -> dict[str, Any]:
    """code -> example of each problem that an operation declares."""
    return {
        code: example["value"]
        for response in operation["responses"].values()
        for code, example in response.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}).items()
    }


def declares_every_problem(app: FastAPI) -> Callable[[httpx.Response], Awaitable[None]]:
    """A hook for the responses of an HTTP client."""
    operations = [
        (compile_path(path)[0], method.upper(), set(problems_of(operation)))
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]

    async def check(response: httpx.Response) -> None:
        if response.headers.get("content-type") != PROBLEM_JSON:
            return
        await response.aread()
        code, request = response.json()["code"], response.request
        declared = {
            known
            for pattern, method, codes in operations
            if pattern.match(request.url.path) and method == request.method
            for known in codes
        }
        assert code in declared | OF_NO_OPERATION, f"{request.method} {request.url.path} does not declare {code}"

    return check
