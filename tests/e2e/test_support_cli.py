"""``checkout support`` as a shell sees it, on a real API, worker and Temporal."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from checkout.domain.errors import ProviderUnavailable
from checkout.domain.payments import Charge
from checkout.domain.states import PaymentStatus
from checkout_lab.stack.processes.ports import claim_free_port
from tests.support.api_process import STOREFRONT_KEY, SUPPORT_KEY, Storefront, open_storefront
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.shop import open_shop
from tests.support.stock import Stock

Ran = subprocess.CompletedProcess[str]


async def support(directory: Path, *arguments: str, url: str | None = None, key: str | None = SUPPORT_KEY) -> Ran:
    """Run a command in the directory with these settings and no others."""
    settings = {"CHECKOUT_API_URL": url, "CHECKOUT_SUPPORT_KEY": key, "COLUMNS": "200"}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", "-m", "checkout.cli.main", "support", *arguments],
        cwd=directory,
        env={**os.environ, **{name: value for name, value in settings.items() if value is not None}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
async def gateway(temporal_client: Client, engine: AsyncEngine, stock: Stock) -> AsyncIterator[ScriptedGateway]:
    await stock({"MUG-WHITE": (1290, "EUR", 7)})
    async with open_shop(temporal_client, engine) as shop:
        yield shop.gateway


@pytest.fixture
async def storefront(temporal_client: Client) -> AsyncIterator[Storefront]:
    async with open_storefront(temporal_client, payment_stuck_after_seconds=1) as storefront:
        yield storefront


async def stuck(storefront: Storefront, gateway: ScriptedGateway) -> str:
    gateway.charge_result = gateway.find_result = gateway.void_result = ProviderUnavailable("away")
    return str((await storefront.buy(wait=20)).json()["id"])


async def test_support_finds_reads_and_mends_a_stuck_payment(
    storefront: Storefront, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    url = str(storefront.client.base_url)
    checkout_id = await stuck(storefront, gateway)
    while checkout_id not in (found := await support(tmp_path, "list", "--status", "payment_stuck", url=url)).stdout:
        assert found.returncode == 0, found.stderr
    assert "payment_stuck" in found.stdout
    shown = await support(tmp_path, "show", checkout_id, url=url)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "stock reserved" in shown.stdout
    assert f"checkout support retry {checkout_id} --reason" in shown.stdout

    refused = await support(tmp_path, "retry", checkout_id, "--reason", "ticket 4711", url=url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "(409 outcome_still_unknown)" in refused.stderr
    gateway.void_result, gateway.charge_result = None, Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
    retried = await support(tmp_path, "retry", checkout_id, "--reason", "ticket 4711", "--json", url=url)
    assert (retried.returncode, json.loads(retried.stdout)["id"]) == (0, checkout_id)
    await storefront.get(f"/v1/checkouts/{checkout_id}", wait=20)
    story = json.loads((await support(tmp_path, "show", checkout_id, "--json", url=url)).stdout)
    assert (story["status"], story["can"]) == ("confirmed", [])
    assert "ticket 4711" in {entry["reason"] for entry in story["timeline"]}


async def test_support_resolves_and_cancels(storefront: Storefront, gateway: ScriptedGateway, tmp_path: Path) -> None:
    url = str(storefront.client.base_url)
    first, second = await stuck(storefront, gateway), await stuck(storefront, gateway)
    said = ("--outcome", "captured", "--reference", "pi_1", "--reason", "seen in the dashboard")
    resolved = await support(tmp_path, "resolve", first, *said, url=url)
    assert (resolved.returncode, resolved.stderr) == (0, "")
    gateway.void_result = None
    cancelled = await support(tmp_path, "cancel", second, "--reason", "the customer asks for it", url=url)
    assert (cancelled.returncode, "cancelled_by_support" in cancelled.stdout) == (0, True)
    assert (await storefront.get(f"/v1/checkouts/{first}", wait=20)).json()["status"] == "confirmed"
    assert (await storefront.get(f"/v1/checkouts/{second}", wait=20)).json()["status"] == "cancelled"
    page = json.loads((await support(tmp_path, "list", "--limit", "1", "--json", url=url)).stdout)
    assert len(page["checkouts"]) == 1


async def test_a_refusal_is_a_sentence_on_standard_error(storefront: Storefront, tmp_path: Path) -> None:
    url = str(storefront.client.base_url)
    cases = [
        (("show", "chk_nothing"), SUPPORT_KEY, "(404 unknown_checkout)"),
        (("list", "--status", "stuck"), SUPPORT_KEY, "status: Input should be 'processing'"),
        (("cancel", "chk_nothing", "--reason", " "), SUPPORT_KEY, "reason: must say something"),
        (("list",), STOREFRONT_KEY, "(403 wrong_scope)"),
        (("list",), "nobody", "(401 unauthorized)"),
    ]
    for arguments, key, words in cases:
        refused = await support(tmp_path, *arguments, url=url, key=key)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert words in refused.stderr
        assert all(line.startswith("checkout: ") for line in refused.stderr.splitlines())


async def test_an_api_that_is_away_is_one_clear_line(tmp_path: Path) -> None:
    with claim_free_port() as claim:
        url = f"http://127.0.0.1:{claim.port}"
        failed = await support(tmp_path, "list", url=url)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"checkout: the API at {url} cannot be reached: ")
    assert failed.stderr.count("\n") == 1


async def test_a_command_that_is_used_wrongly_ends_with_2(tmp_path: Path) -> None:
    for arguments in (("retry", "chk_1"), ("list", "--limit", "0"), ("resolve", "chk_1", "--reason", "x"), ("mend",)):
        assert (await support(tmp_path, *arguments)).returncode == 2
    for url, key, variable in ((None, None, "CHECKOUT_SUPPORT_KEY"), ("here", "k", "CHECKOUT_API_URL")):
        refused = await support(tmp_path, "list", url=url, key=key)
        assert (refused.returncode, variable in refused.stderr) == (2, True)


async def test_the_running_stack_is_found_and_its_key_is_sent_to_no_other_api(
    storefront: Storefront, tmp_path: Path
) -> None:
    url = str(storefront.client.base_url)
    (tmp_path / ".checkout").mkdir()
    stack_file = tmp_path / ".checkout" / "stack.json"
    stack_file.write_text(json.dumps({"api_url": url, "support_key": SUPPORT_KEY}))
    listed = await support(tmp_path, "list", key=None)
    assert (listed.returncode, listed.stderr) == (0, "")
    elsewhere = await support(tmp_path, "list", url=url, key=None)
    assert (elsewhere.returncode, "CHECKOUT_SUPPORT_KEY is not set" in elsewhere.stderr) == (2, True)
    stack_file.write_text("{}")
    damaged = await support(tmp_path, "list", key=None)
    assert (damaged.returncode, "stack.json is damaged" in damaged.stderr) == (2, True)
