"""A bad body gets its own code before Temporal is spoken to: in these tests there is no Temporal at all."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.unit.api.requests import GOOD, GOOD_HEADERS, post


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
