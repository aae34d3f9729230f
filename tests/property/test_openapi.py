"""The API is as its OpenAPI document says, for what the document allows and for what it does not."""

import asyncio
import json
import os
import subprocess
import sysconfig
import uuid
from pathlib import Path
from typing import get_args

import pytest

from checkout.config.values import Scope
from tests.property.profile import examples, is_long
from tests.property.stack_client import Json, StackClient

_HOOKS = Path(__file__).with_name("openapi_hooks.py")
#: Ways to pay that leave a checkout confirmed, waiting for its customer, and waiting for support.
_METHODS = ("pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired", "pm_sandbox_unavailable")


async def test_the_api_is_as_its_document_says(
    stack_client: StackClient, stack_info: Json, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    seed = pytestconfig.getoption("hypothesis_seed") or 1
    ids = await asyncio.to_thread(lambda: [_buy(stack_client, method) for method in _METHODS])
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(_settings(stack_info, ids))
    outcome = await asyncio.to_thread(_run, settings, stack_info["api_url"], seed)
    assert outcome.returncode == 0, outcome.stdout
    await asyncio.to_thread(stack_client.recover)
    assert await asyncio.to_thread(stack_client.violations) == []


async def test_every_route_with_get_responds_to_head(stack_client: StackClient) -> None:
    document = stack_client.storefront.get("/openapi.json").json()
    checkout_id = await asyncio.to_thread(_buy, stack_client, "pm_card_visa")
    for path, operations in document["paths"].items():
        client = stack_client.support if "/support/" in path else stack_client.storefront
        address = path.replace("{id}", checkout_id)
        get, head = client.get(address), client.head(address)
        if "get" in operations:
            assert (head.status_code, head.content) == (200, b"")
            # Lists and metrics may change in between; what they are does not.
            assert head.headers["content-type"] == get.headers["content-type"]
            assert head.headers.get("etag") == get.headers.get("etag")
            assert client.put(address).headers["allow"] == "GET, HEAD"
        else:
            assert (head.status_code, head.headers["allow"]) == (405, "POST")


def _buy(stack_client: StackClient, payment_method: str) -> str:
    body = {"customer_id": "cus_42", "currency": "EUR", "lines": [{"sku": "MUG-WHITE", "quantity": 1}]}
    body["payment_method"] = payment_method
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Prefer": "wait=20"}
    answer = stack_client.insist(stack_client.storefront, "POST", "/v1/checkouts", json=body, headers=headers)
    return str(answer.json()["id"])


def _settings(stack: Json, ids: list[str]) -> str:
    """The settings of schemathesis. A JSON string is one of TOML, too."""
    keys = "".join(
        f"[auth.openapi.{scope}]\nbearer = {json.dumps(stack[f'{scope}_key'])}\n" for scope in get_args(Scope)
    )
    return f"""
continue-on-failure = true
hooks = {json.dumps(str(_HOOKS))}
[cache]
enabled = false
{keys}
[dictionaries.id]
values = {json.dumps(ids)}
[dictionaries.sku]
values = ["MUG-WHITE", "MUG-BLACK", "LAMP-DESK", "NOWHERE"]
[dictionaries.payment_method]
values = {json.dumps(_METHODS)}
[parameters]
"path.id" = {{ dictionary = "id", probability = 0.7 }}
"body.lines[*].sku" = {{ dictionary = "sku", probability = 0.7 }}
"body.payment_method" = {{ dictionary = "payment_method", probability = 0.7 }}
"""


def _run(settings: Path, api_url: str, seed: int) -> "subprocess.CompletedProcess[str]":
    schemathesis = Path(sysconfig.get_path("scripts")) / "schemathesis"
    command = [str(schemathesis), "--config-file", str(settings), "run", f"{api_url}/openapi.json", "--no-color"]
    command += ["--seed", str(seed), "--max-examples", str(examples(5)), "--generation-database", "none"]
    if not is_long():
        command += ["--no-shrink"]
    return subprocess.run(
        command,
        cwd=settings.parent,
        env=os.environ | {"NO_PROXY": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
