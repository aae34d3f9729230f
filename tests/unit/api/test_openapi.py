"""The OpenAPI page is complete: every operation, header and problem is declared, with examples that hold."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.client import Client

from api.app import create_app
from api.http.problems import KINDS, PROBLEM_JSON
from api.storefront.schemas import CancelBody, CheckoutBody, CheckoutResponse, PaymentBody, ProblemResponse
from api.support.schemas import ListQuery, ListResponse, ResolveBody, RetryBody, SupportCancelBody, SupportResponse
from api.webhooks.stripe_events import read_event
from tests.support.api_process import api_settings

Page = dict[str, Any]
STOREFRONT = {
    ("/v1/checkouts", "post"),
    ("/v1/checkouts/{id}", "get"),
    ("/v1/checkouts/{id}/payment", "post"),
    ("/v1/checkouts/{id}/cancel", "post"),
}
SUPPORTING = {
    ("/v1/support/checkouts", "get"),
    ("/v1/support/checkouts/{id}", "get"),
    ("/v1/support/checkouts/{id}/retry-payment", "post"),
    ("/v1/support/checkouts/{id}/resolve-payment", "post"),
    ("/v1/support/checkouts/{id}/cancel", "post"),
}
KEYED = STOREFRONT | SUPPORTING
OPEN = {("/v1/webhooks/stripe", "post"), ("/healthz", "get"), ("/readyz", "get"), ("/metrics", "get")}
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
    assert {place for place, _ in operations(page)} == KEYED | OPEN


def test_every_operation_and_answer_is_described(page: Page) -> None:
    for _, operation in operations(page):
        assert operation["summary"]
        assert operation["description"]
        assert operation["operationId"]
        assert all(answer["description"] for answer in operation["responses"].values())
        assert all(parameter["description"] for parameter in operation.get("parameters", []))


def test_storefront_and_support_need_a_key_and_the_others_need_none(page: Page) -> None:
    assert {scheme["scheme"] for scheme in page["components"]["securitySchemes"].values()} == {"bearer"}
    for place, operation in operations(page):
        scope = {"storefront"} if place in STOREFRONT else {"support"} if place in SUPPORTING else set()
        assert {name for scheme in operation["security"] for name in scheme} == scope
        assert scope <= set(page["components"]["securitySchemes"])


def test_every_problem_is_declared_where_it_can_happen(page: Page) -> None:
    declared = {code for _, operation in operations(page) for code in problems(operation)}
    assert declared | OF_NO_OPERATION == set(KINDS)
    for place, operation in operations(page):
        if place in KEYED:
            assert {"unauthorized", "wrong_scope", "temporal_unavailable", "internal_error"} <= set(problems(operation))
        if place in KEYED and place[1] == "post":
            assert {"malformed_json", "body_too_large", "invalid_request"} <= set(problems(operation))
        if "{id}" in place[0]:
            assert "unknown_checkout" in problems(operation)


def test_every_example_of_a_problem_is_one(page: Page) -> None:
    for _, operation in operations(page):
        for code, example in problems(operation).items():
            problem = ProblemResponse.model_validate(example)
            assert (problem.code, problem.status, problem.title) == (code, KINDS[code].status, KINDS[code].title)
            assert str(problem.status) in operation["responses"]


def test_the_examples_of_answers_are_valid(page: Page) -> None:
    models: dict[str, type[BaseModel]] = {"stuck": SupportResponse, "list": ListResponse}
    examples = page["components"]["examples"]
    assert set(examples) == {"confirmed", "cancelled", "processing", "awaiting_payment", *models}
    for name, example in examples.items():
        model = models.get(name, CheckoutResponse)
        assert model.model_validate(example["value"]).model_dump(mode="json") == example["value"]
        assert list(example["value"]) == list(model.model_fields)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/checkouts", CheckoutBody),
        ("/v1/checkouts/{id}/payment", PaymentBody),
        ("/v1/checkouts/{id}/cancel", CancelBody),
        ("/v1/support/checkouts/{id}/retry-payment", RetryBody),
        ("/v1/support/checkouts/{id}/resolve-payment", ResolveBody),
        ("/v1/support/checkouts/{id}/cancel", SupportCancelBody),
    ],
)
def test_the_examples_of_bodies_are_valid(page: Page, path: str, model: type[BaseModel]) -> None:
    body = page["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["$ref"].endswith(f"/{model.__name__}")
    assert body["examples"]
    for example in body["examples"].values():
        model.model_validate(example["value"])


def test_the_example_of_an_event_is_one_of_ours(page: Page) -> None:
    body = page["paths"]["/v1/webhooks/stripe"]["post"]["requestBody"]["content"]["application/json"]
    event = read_event(json.dumps(body["examples"]["a payment"]["value"]).encode())
    assert event
    assert event.checkout_id == page["components"]["examples"]["processing"]["value"]["id"]


def test_every_filter_of_the_list_is_declared(page: Page) -> None:
    parameters = page["paths"]["/v1/support/checkouts"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == set(ListQuery.model_fields)
    assert all(parameter["in"] == "query" and "type" in str(parameter["schema"]) for parameter in parameters[1:])


def test_every_header_is_declared(page: Page) -> None:
    create = page["paths"]["/v1/checkouts"]["post"]
    look = page["paths"]["/v1/checkouts/{id}"]["get"]
    assert {parameter["name"] for parameter in create["parameters"]} == {"Idempotency-Key", "Prefer"}
    assert {parameter["name"] for parameter in look["parameters"]} == {"id", "Prefer", "If-None-Match"}
    assert {"Location", "ETag", "Retry-After", "Idempotent-Replayed"} <= set(create["responses"]["202"]["headers"])
    assert "Preference-Applied" in create["responses"]["200"]["headers"]
    assert {"ETag", "Retry-After"} <= set(look["responses"]["304"]["headers"])
    assert "Retry-After" in create["responses"]["503"]["headers"]
    retry = page["paths"]["/v1/support/checkouts/{id}/retry-payment"]["post"]
    assert {parameter["name"] for parameter in retry["parameters"]} == {"id", "Idempotency-Key"}
    assert "Location" in retry["responses"]["202"]["headers"]
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
