"""Every bad request gets its own code before Temporal is spoken to: in these tests there is no Temporal at all."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from api.app import create_app
from tests.support.api_process import STOREFRONT_KEY, SUPPORT_KEY, api_settings
from tests.support.declared_problems import declares_every_problem

AUTHORIZED = {"Authorization": f"Bearer {STOREFRONT_KEY}"}
GOOD_HEADERS = {**AUTHORIZED, "Idempotency-Key": "k", "Content-Type": "application/json"}
GOOD: dict[str, Any] = {
    "customer_id": "cus_42",
    "currency": "EUR",
    "lines": [{"sku": "MUG-WHITE", "quantity": 2}],
    "payment_method": "pm_card_visa",
}
Headers = dict[str, str] | list[tuple[str, str]]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    app = create_app(api_settings(), nowhere)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks: dict[str, Any] = {"response": [declares_every_problem(app)]}
    async with httpx.AsyncClient(transport=transport, base_url="http://api", event_hooks=hooks) as client:
        yield client


async def post(client: httpx.AsyncClient, content: Any, headers: Headers = GOOD_HEADERS) -> httpx.Response:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = await client.post("/v1/checkouts", content=raw, headers=headers)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["instance"].startswith("urn:uuid:")
    return response


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GOOD_HEADERS.items() if key != name}


async def test_a_good_request_gets_as_far_as_temporal(client: httpx.AsyncClient) -> None:
    response = await post(client, GOOD)
    assert (response.status_code, response.json()["code"]) == (503, "temporal_unavailable")
    assert response.headers["retry-after"] == "2"


@pytest.mark.parametrize(
    ("value", "status", "challenge"),
    [
        (None, 401, 'Bearer realm="checkout"'),
        ("Basic c2hvcDpzaG9w", 401, 'Bearer realm="checkout"'),
        ("Bearer", 401, 'Bearer realm="checkout"'),
        (f"Bearer {STOREFRONT_KEY} {STOREFRONT_KEY}", 401, 'Bearer realm="checkout"'),
        ("Bearer wrong", 401, 'Bearer realm="checkout", error="invalid_token"'),
        (f"Bearer {STOREFRONT_KEY[:-1]}", 401, 'Bearer realm="checkout", error="invalid_token"'),
        (f"Bearer {SUPPORT_KEY}", 403, 'Bearer realm="checkout", error="insufficient_scope", scope="storefront"'),
    ],
)
async def test_a_wrong_key_is_challenged(
    client: httpx.AsyncClient, value: str | None, status: int, challenge: str
) -> None:
    headers = without("Authorization") | ({"Authorization": value} if value else {})
    for method, path in [("POST", "/v1/checkouts"), ("GET", "/v1/checkouts/x"), ("POST", "/v1/checkouts/x/cancel")]:
        response = await client.request(method, path, headers=headers)
        assert (response.status_code, response.headers["www-authenticate"]) == (status, challenge)


async def test_the_scheme_of_a_key_may_be_written_in_any_case(client: httpx.AsyncClient) -> None:
    assert (await post(client, GOOD, GOOD_HEADERS | {"Authorization": f"bEARER {STOREFRONT_KEY}"})).status_code == 503


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (without("Idempotency-Key"), "idempotency_key_missing"),
        ({**GOOD_HEADERS, "Idempotency-Key": ""}, "idempotency_key_malformed"),
        ({**GOOD_HEADERS, "Idempotency-Key": "   "}, "idempotency_key_malformed"),
        ({**GOOD_HEADERS, "Idempotency-Key": "k" * 256}, "idempotency_key_malformed"),
        ({**GOOD_HEADERS, "Idempotency-Key": "tab\there"}, "idempotency_key_malformed"),
        ([*GOOD_HEADERS.items(), ("Idempotency-Key", "another")], "idempotency_key_malformed"),
    ],
)
async def test_a_bad_idempotency_key_is_named(client: httpx.AsyncClient, headers: Headers, code: str) -> None:
    response = await post(client, GOOD, headers)
    assert (response.status_code, response.json()["code"]) == (400, code)


async def test_an_idempotency_key_is_ascii(client: httpx.AsyncClient) -> None:
    raw = {name.encode(): value.encode() for name, value in GOOD_HEADERS.items()} | {
        b"Idempotency-Key": "\xe9".encode()
    }
    response = await client.post("/v1/checkouts", content=b"{}", headers=raw)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_malformed")


@pytest.mark.parametrize("key", ["k" * 255, "with spaces and !#$%&'()*+,-./:;<=>?@[]^_`{|}~", "0"])
async def test_any_printable_idempotency_key_will_do(client: httpx.AsyncClient, key: str) -> None:
    assert (await post(client, GOOD, {**GOOD_HEADERS, "Idempotency-Key": key})).status_code == 503


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"{'customer_id': 1}",
        b'{"expected_total_minor": NaN}',
        b'{"expected_total_minor": -Infinity}',
        b'{"currency": "EUR", "currency": "USD"}',
        b'{"lines": [{"sku": "A", "sku": "B"}]}',
        b'{"customer_id": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"lines": [["\\u0000"]]}',
        b'{"customer_id": "\x00"}',
        b"\xef\xbb\xbf{}",
        b'{"customer_id": "\xff"}',
        "{}".encode("utf-16"),
        b'{"a":' * 10_000,
        b"[" * 60_000,
        b'{"expected_total_minor": ' + b"9" * 5_000 + b"}",
        b"{} {}",
        b'{"a": 1,}',
    ],
)
async def test_what_is_not_one_plain_json_object_is_refused(client: httpx.AsyncClient, raw: bytes) -> None:
    response = await post(client, raw)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(
    "changed",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/jsonp"},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_another_media_type_is_refused(client: httpx.AsyncClient, changed: dict[str, str]) -> None:
    response = await post(client, GOOD, GOOD_HEADERS | changed)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"', "application/json; v=1"]
)
async def test_json_may_be_announced_in_every_usual_way(client: httpx.AsyncClient, media_type: str) -> None:
    assert (await post(client, GOOD, GOOD_HEADERS | {"Content-Type": media_type})).status_code == 503


async def test_a_body_of_64_kib_is_read_and_one_byte_more_is_not(client: httpx.AsyncClient) -> None:
    largest = json.dumps(GOOD).encode().ljust(64 * 1024)
    assert (await post(client, largest)).status_code == 503
    assert (await post(client, largest + b" ")).json()["code"] == "body_too_large"

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b" " * 1024

    unannounced = await client.post("/v1/checkouts", content=chunks(), headers=GOOD_HEADERS)
    assert (unannounced.status_code, unannounced.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"customer_id": None}, "customer_id"),
        ({"customer_id": ""}, "customer_id"),
        ({"customer_id": "x" * 129}, "customer_id"),
        ({"customer_id": "with space"}, "customer_id"),
        ({"customer_id": "zo\u00eb"}, "customer_id"),
        ({"customer_id": "cus\n"}, "customer_id"),
        ({"customer_id": 42}, "customer_id"),
        ({"cart_id": ""}, "cart_id"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "XYZ"}, "currency"),
        ({"lines": []}, "lines"),
        ({"lines": {"sku": "A", "quantity": 1}}, "lines"),
        ({"lines": [{"sku": f"S{n}", "quantity": 1} for n in range(101)]}, "lines"),
        ({"lines": [{"sku": "A", "quantity": 0}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 100_001}]}, "lines[1].quantity"),
        ({"lines": [{"sku": "A", "quantity": 50_000}, {"sku": "A", "quantity": 50_001}]}, "lines"),
        ({"lines": [None]}, "lines[0]"),
        ({"lines": [{"sku": "A", "quantity": 1.0}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "A", "quantity": "1"}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "A", "quantity": True}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "A", "quantity": 1e400}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "A" * 65, "quantity": 1}]}, "lines[0].sku"),
        ({"lines": [{"quantity": 1}]}, "lines[0].sku"),
        ({"lines": [{"sku": "A", "quantity": 1, "price_minor": 1}]}, "lines[0].price_minor"),
        ({"payment_method": "card"}, "payment_method"),
        ({"payment_method": "pm_"}, "payment_method"),
        ({"payment_method": "pm_a-b"}, "payment_method"),
        ({"payment_method": "pm_" + "x" * 121}, "payment_method"),
        ({"expected_total_minor": -1}, "expected_total_minor"),
        ({"expected_total_minor": 10**12}, "expected_total_minor"),
        ({"expected_total_minor": 25.8}, "expected_total_minor"),
        ({"coupon": "FREE"}, "coupon"),
        ({"customer_id": "4242424242424242"}, "customer_id"),
        ({"cart_id": "cart_4242-4242-4242-4242"}, "cart_id"),
        ({"payment_method": "pm_4242424242424242"}, "payment_method"),
        ({"lines": [{"sku": "378282246310005", "quantity": 1}]}, "lines[0].sku"),
    ],
)
async def test_a_field_that_breaks_the_schema_is_named(
    client: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    raw = json.dumps(GOOD | changes).replace("Infinity", "1e400").encode()
    response = await post(client, raw)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert all(error["message"] and "Body" not in error["message"] for error in response.json()["errors"])


async def test_every_field_that_breaks_the_schema_is_named_at_once(client: httpx.AsyncClient) -> None:
    response = await post(client, {"lines": [{"sku": "", "quantity": 0}], "coupon": "FREE"})
    named = {error["field"] for error in response.json()["errors"]}
    assert named == {"customer_id", "currency", "payment_method", "lines[0].sku", "lines[0].quantity", "coupon"}


async def test_what_was_sent_is_never_sent_back(client: httpx.AsyncClient) -> None:
    number = "4242424242424242"
    fields: dict[str, Any] = dict.fromkeys(("customer_id", "cart_id", "currency", "payment_method", number), number)
    response = await post(
        client, {**fields, "lines": [{"sku": number, "quantity": number}], "expected_total_minor": number}
    )
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 8
    assert number not in response.text


async def test_a_flood_of_mistakes_is_summarised(client: httpx.AsyncClient) -> None:
    response = await post(client, GOOD | {f"field_{n}": 1 for n in range(2_000)})
    assert len(response.json()["errors"]) == 50
    assert response.json()["detail"] == "2000 fields break the schema; the first 50 are listed."


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{}", "unknown_checkout"),
        (b"", "unknown_checkout"),
        (b'{"x": 1}', "invalid_request"),
        (b"[]", "malformed_json"),
    ],
)
async def test_a_cancel_needs_no_body_and_takes_no_field(client: httpx.AsyncClient, content: bytes, code: str) -> None:
    headers = AUTHORIZED | {"Content-Type": "application/json"}
    response = await client.post("/v1/checkouts/x/cancel", content=content, headers=headers)
    assert response.json()["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/v1/checkouts/", 404, "not_found"),
        ("GET", "/v1/checkouts", 405, "method_not_allowed"),
        ("DELETE", "/v1/checkouts/chk_1", 405, "method_not_allowed"),
        ("BREW", "/healthz", 405, "method_not_allowed"),
    ],
)
async def test_the_frameworks_own_errors_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path, headers=AUTHORIZED)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert ("allow" in response.headers) == (status == 405)


async def test_a_bug_is_a_problem_that_gives_nothing_away(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("api.http.ordered_route.validate", broken)
    response = await post(client, GOOD)
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text


async def test_the_numbers_name_routes_and_no_ids(client: httpx.AsyncClient) -> None:
    await client.get("/v1/checkouts/chk_one", headers=AUTHORIZED)
    await client.request("BREW", "/made/up")
    text = (await client.get("/metrics")).text
    assert 'checkout_api_requests_total{method="GET",route="/v1/checkouts/{id}",status="404"} 1.0' in text
    assert 'checkout_api_requests_total{method="other",route="unmatched",status="404"} 1.0' in text
    assert "chk_one" not in text
    assert "made" not in text


async def test_the_pages_for_people_and_probes_need_no_key(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/metrics", "/docs", "/openapi.json"):
        assert (await client.get(path)).status_code == 200
    assert (await client.get("/readyz")).json()["code"] == "temporal_unavailable"
