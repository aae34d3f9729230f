"""Every bad request gets its own code before Temporal is spoken to: in these tests there is no Temporal at all."""

import httpx
import pytest

from tests.support.api_process import STOREFRONT_KEY, SUPPORT_KEY
from tests.unit.api.requests import AUTHORIZED, GOOD, GOOD_HEADERS, Headers, post, without


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


async def test_a_bug_is_a_problem_that_gives_nothing_away_but_the_instance_it_is_logged_under(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("api.http.ordered_route.validate", broken)
    response = await post(client, GOOD)
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert "ZeroDivisionError" not in response.text
    [line] = [line for line in caplog.messages if response.json()["instance"] in line]
    assert "ZeroDivisionError" in line


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
