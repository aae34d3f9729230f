"""The OpenAPI document is complete: every operation, header and problem is declared, with examples that hold."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.client import Client

from api.app import create_app
from api.http.problems import PROBLEM_KINDS
from api.http.schemas import ProblemResponse
from api.storefront.schemas import CancelBody, CheckoutBody, CheckoutResponse, PaymentBody
from api.support.schemas import (
    ListQuery,
    ListResponse,
    PaymentResolution,
    ResolveBody,
    RetryBody,
    SupportAction,
    SupportCancelBody,
    SupportResponse,
    WorkflowState,
)
from api.webhooks.stripe_events import read_event
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.domain.view import TimelineKind
from tests.support.api_process import api_settings
from tests.support.declared_problems import OF_NO_OPERATION, problems_of

Document = dict[str, Any]
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


@pytest.fixture(scope="module")
async def document() -> Document:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    return create_app(api_settings(), nowhere).openapi()


def operations(document: Document) -> Iterator[tuple[tuple[str, str], Document]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield (path, method), operation


def test_every_route_is_there_and_no_other(document: Document) -> None:
    assert {place for place, _ in operations(document)} == KEYED | OPEN


def test_every_operation_and_response_is_described(document: Document) -> None:
    for _, operation in operations(document):
        assert operation["summary"]
        assert operation["description"]
        assert operation["operationId"]
        assert all(response["description"] for response in operation["responses"].values())
        assert all(parameter["description"] for parameter in operation.get("parameters", []))


def test_storefront_and_support_need_a_key_and_the_others_need_none(document: Document) -> None:
    assert {scheme["scheme"] for scheme in document["components"]["securitySchemes"].values()} == {"bearer"}
    for place, operation in operations(document):
        scope = {"storefront"} if place in STOREFRONT else {"support"} if place in SUPPORTING else set()
        assert {name for scheme in operation.get("security", []) for name in scheme} == scope
        assert scope <= set(document["components"]["securitySchemes"])


def test_every_problem_is_declared_where_it_can_happen(document: Document) -> None:
    declared = {code for _, operation in operations(document) for code in problems_of(operation)}
    assert declared | OF_NO_OPERATION == set(PROBLEM_KINDS)
    for place, operation in operations(document):
        if place in KEYED:
            assert {"unauthorized", "wrong_scope", "temporal_unavailable", "internal_error"} <= set(
                problems_of(operation)
            )
        if place in KEYED and place[1] == "post":
            assert {"malformed_json", "body_too_large", "invalid_request"} <= set(problems_of(operation))
        if "{id}" in place[0]:
            assert "unknown_checkout" in problems_of(operation)


def test_every_example_of_a_problem_is_one(document: Document) -> None:
    for _, operation in operations(document):
        for code, example in problems_of(operation).items():
            problem = ProblemResponse.model_validate(example)
            assert (problem.code, problem.status, problem.title) == (
                code,
                PROBLEM_KINDS[code].status,
                PROBLEM_KINDS[code].title,
            )
            assert str(problem.status) in operation["responses"]


def test_the_examples_of_responses_are_valid(document: Document) -> None:
    models: dict[str, type[BaseModel]] = {"stuck": SupportResponse, "list": ListResponse}
    examples = document["components"]["examples"]
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
def test_the_examples_of_bodies_are_valid(document: Document, path: str, model: type[BaseModel]) -> None:
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["$ref"].endswith(f"/{model.__name__}")
    assert body["examples"]
    for example in body["examples"].values():
        model.model_validate(example["value"])


def test_the_example_of_an_event_names_the_checkout_of_the_other_examples(document: Document) -> None:
    body = document["paths"]["/v1/webhooks/stripe"]["post"]["requestBody"]["content"]["application/json"]
    event = read_event(json.dumps(body["examples"]["a payment"]["value"]).encode())
    assert event
    assert event.checkout_id == document["components"]["examples"]["processing"]["value"]["id"]


def test_every_filter_of_the_list_is_declared(document: Document) -> None:
    parameters = document["paths"]["/v1/support/checkouts"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == set(ListQuery.model_fields)
    assert all(parameter["in"] == "query" and "type" in str(parameter["schema"]) for parameter in parameters[1:])


def test_every_time_and_every_address_has_its_format(document: Document) -> None:
    formats = {
        (model, name, part.get("format"))
        for model, schema in document["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        for part in field.get("anyOf", [field])
        if part.get("type") == "string" and (name == "at" or name.endswith(("_at", "url")))
    }
    assert {(model, name) for model, name, _ in formats} == {
        *(("CheckoutResponse", "created_at"), ("CheckoutResponse", "updated_at")),
        *(("SupportResponse", "created_at"), ("SupportResponse", "updated_at"), ("SupportResponse", "temporal_ui_url")),
        *(("ListedCheckout", "created_at"), ("ListedCheckout", "ended_at"), ("ListedCheckout", "temporal_ui_url")),
        *(("TimelineResponse", "at"), ("NextAction", "url")),
    }
    assert {each for _, name, each in formats if name.endswith("url")} == {"uri"}
    assert {each for _, name, each in formats if not name.endswith("url")} == {"date-time"}
    query = {p["name"]: p["schema"] for p in document["paths"]["/v1/support/checkouts"]["get"]["parameters"]}
    assert {query[name]["format"] for name in ("since", "until")} == {"date-time"}


@pytest.mark.parametrize(
    "enum", [CheckoutStatus, PaymentStatus, Reason, PaymentResolution, SupportAction, TimelineKind, WorkflowState]
)
def test_every_enum_is_a_schema_of_its_own_name(document: Document, enum: type[StrEnum]) -> None:
    assert document["components"]["schemas"][enum.__name__]["enum"] == [str(each) for each in enum]


def test_no_property_lists_the_values_of_an_enum_itself(document: Document) -> None:
    unnamed = {
        (model, name)
        for model, schema in document["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        for part in field.get("anyOf", [field])
        if "enum" in part or "enum" in part.get("items", {})
    }
    assert unnamed == {("CheckoutBody", "currency")}


def test_every_header_is_declared(document: Document) -> None:
    create = document["paths"]["/v1/checkouts"]["post"]
    look = document["paths"]["/v1/checkouts/{id}"]["get"]
    assert {parameter["name"] for parameter in create["parameters"]} == {"Idempotency-Key", "Prefer"}
    assert {parameter["name"] for parameter in look["parameters"]} == {"id", "Prefer", "If-None-Match"}
    assert {"Location", "ETag", "Retry-After", "Idempotent-Replayed"} <= set(create["responses"]["202"]["headers"])
    assert "Preference-Applied" in create["responses"]["200"]["headers"]
    assert {"ETag", "Retry-After"} <= set(look["responses"]["304"]["headers"])
    assert "Retry-After" in create["responses"]["503"]["headers"]
    retry = document["paths"]["/v1/support/checkouts/{id}/retry-payment"]["post"]
    assert {parameter["name"] for parameter in retry["parameters"]} == {"id", "Idempotency-Key"}
    assert "Location" in retry["responses"]["202"]["headers"]
    assert "WWW-Authenticate" in create["responses"]["401"]["headers"]


def test_every_reference_leads_somewhere(document: Document) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (value for name, value in node.items() if name == "$ref")
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from references(child)

    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target
