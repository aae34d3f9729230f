"""The OpenAPI page is complete: every operation, header and problem is declared, with examples that hold."""

from collections.abc import Iterator
from typing import Any

import pytest
from temporalio.client import Client

from api.app import create_app
from api.errors import KINDS, PROBLEM_JSON
from api.schemas import CheckoutAnswer, CheckoutBody, ProblemAnswer
from tests.integration.api_process import api_settings

Page = dict[str, Any]
STOREFRONT = {("/v1/checkouts", "post"), ("/v1/checkouts/{id}", "get"), ("/v1/checkouts/{id}/cancel", "post")}
OPERATIONS = {("/healthz", "get"), ("/readyz", "get"), ("/metrics", "get")}
#: Answered for every address there is not, so no operation can declare them.
OF_NO_OPERATION = {"not_found", "method_not_allowed"}


@pytest.fixture(scope="module")
async def page() -> Page:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    return create_app(api_settings(), nowhere).openapi()


def operations(page: Page) -> Iterator[tuple[tuple[str, str], Page]]:
    for path, item in page["paths"].items():
        for method, operation in item.items():
            yield (path, method), operation


def problems(operation: Page) -> dict[str, Page]:
    """code -> example of what the operation declares."""
    return {
        code: example["value"]
        for answer in operation["responses"].values()
        for code, example in answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}).items()
    }


def test_every_route_is_there_and_no_other(page: Page) -> None:
    assert {place for place, _ in operations(page)} == STOREFRONT | OPERATIONS


def test_every_operation_and_answer_is_described(page: Page) -> None:
    for _, operation in operations(page):
        assert operation["summary"]
        assert operation["description"]
        assert operation["operationId"]
        assert all(answer["description"] for answer in operation["responses"].values())
        assert all(parameter["description"] for parameter in operation.get("parameters", []))


def test_the_storefront_needs_a_key_and_the_probes_need_none(page: Page) -> None:
    assert page["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for place, operation in operations(page):
        assert operation["security"] == ([{"key": []}] if place in STOREFRONT else [])


def test_every_problem_is_declared_where_it_can_happen(page: Page) -> None:
    declared = {code for _, operation in operations(page) for code in problems(operation)}
    assert declared | OF_NO_OPERATION == set(KINDS)
    for place, operation in operations(page):
        if place in STOREFRONT:
            assert {"unauthorized", "wrong_scope", "temporal_unavailable", "internal_error"} <= set(problems(operation))


def test_every_example_of_a_problem_is_one(page: Page) -> None:
    for _, operation in operations(page):
        for code, example in problems(operation).items():
            problem = ProblemAnswer.model_validate(example)
            assert (problem.code, problem.status, problem.title) == (code, KINDS[code].status, KINDS[code].title)
            assert str(problem.status) in operation["responses"]


def test_the_examples_of_views_and_bodies_are_valid(page: Page) -> None:
    views = page["components"]["examples"]
    assert set(views) == {"confirmed", "cancelled", "processing"}
    for view in views.values():
        assert CheckoutAnswer.model_validate(view["value"]).model_dump(mode="json") == view["value"]
        assert list(view["value"]) == list(CheckoutAnswer.model_fields)
    body = page["paths"]["/v1/checkouts"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        CheckoutBody.model_validate(example["value"])


def test_every_header_is_declared(page: Page) -> None:
    create = page["paths"]["/v1/checkouts"]["post"]
    look = page["paths"]["/v1/checkouts/{id}"]["get"]
    assert {parameter["name"] for parameter in create["parameters"]} == {"Idempotency-Key", "Prefer"}
    assert {parameter["name"] for parameter in look["parameters"]} == {"id", "Prefer", "If-None-Match"}
    assert {"Location", "ETag", "Retry-After", "Idempotent-Replayed"} <= set(create["responses"]["202"]["headers"])
    assert "Preference-Applied" in create["responses"]["200"]["headers"]
    assert {"ETag", "Retry-After"} <= set(look["responses"]["304"]["headers"])
    assert "Retry-After" in create["responses"]["503"]["headers"]
    assert "WWW-Authenticate" in create["responses"]["401"]["headers"]


def test_every_reference_leads_somewhere(page: Page) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (value for name, value in node.items() if name == "$ref")
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from references(child)

    for reference in references(page):
        target: Any = page
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target
