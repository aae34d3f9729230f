"""The commands as a shell sees them: exit status, standard output, standard error."""

import subprocess
import uuid
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from checkout.config.settings import DatabaseSettings, TemporalSettings
from checkout.temporal.names import SEARCH_ATTRIBUTES
from checkout_lab.stack.processes.ports import claim_free_port
from checkout_lab.stack.servers.postgres import EmbeddedPostgres
from tests.e2e.commands import checkout, python
from tests.support.project_facts import ROOT
from tests.support.stock import Stock

HEADER = "sku,name,price_minor,currency,on_hand\n"


async def test_the_version_is_shown() -> None:
    shown = await checkout("--version")

    assert (shown.returncode, shown.stdout) == (0, f"checkout {version('durable-checkout')}\n")


async def test_an_unknown_command_is_a_usage_error() -> None:
    assert (await checkout("chekcout")).returncode == 2


TEMPORAL = ["TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"]
#: Each process that reads several groups of settings, with those that it cannot do without.
NEEDED = {
    "api": ["API_KEYS", "ID_SECRET", "STRIPE_WEBHOOK_SECRET", *TEMPORAL],
    "worker": [*TEMPORAL, "DATABASE_URL", "STRIPE_API_KEY", "PAYMENT_RETURN_URL"],
    "worker.py": [*TEMPORAL, "DATABASE_URL", "STRIPE_API_KEY", "PAYMENT_RETURN_URL"],
    "migrate": ["DATABASE_URL", *TEMPORAL],
    "reconcile": TEMPORAL,
    "catalog import none.csv": ["DATABASE_URL"],
}


async def run(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours, or the worker as a script."""
    if command == "worker.py":
        return await python(str(ROOT / "worker.py"), **environment)
    return await checkout(*command.split(), **environment)


def named(refused: subprocess.CompletedProcess[str]) -> list[str]:
    """The variables that a process refused to start without; it has to have said nothing else."""
    assert (refused.returncode, refused.stdout) == (2, "")
    lines = refused.stderr.splitlines()
    assert all(line.startswith("checkout: CHECKOUT_") for line in lines), refused.stderr
    return [line.split()[1].removeprefix("CHECKOUT_") for line in lines]


@pytest.mark.parametrize("command", NEEDED)
async def test_every_missing_setting_is_named_at_once(command: str) -> None:
    refused = await run(command)

    assert named(refused) == NEEDED[command]
    assert refused.stderr.count(" is not set") == len(NEEDED[command])


@pytest.mark.parametrize("command", ["worker", "worker.py"])
async def test_malformed_and_missing_settings_are_named_together(command: str) -> None:
    refused = await run(
        command,
        TEMPORAL_ADDRESS="temporal",
        TEMPORAL_TLS_CA_FILE="/none.pem",
        DATABASE_POOL_SIZE="0",
        STRIPE_API_BASE="http://127.0.0.1:12111",
        PROVIDER_TIMEOUT_SECONDS="-1",
        WORKER_PORT="worker",
        WORKER_BUILD_ID="7",
    )

    assert named(refused) == [
        *("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_TLS_CA_FILE"),
        *("DATABASE_URL", "DATABASE_POOL_SIZE", "STRIPE_API_KEY", "PROVIDER_TIMEOUT_SECONDS"),
        *("WORKER_PORT", "WORKER_BUILD_ID"),
    ]


@pytest.mark.parametrize("base", ["https://api.stripe.com", "https://proxy.example:8443"])
async def test_no_worker_starts_for_stripe_without_a_return_url(base: str) -> None:
    refused = await checkout("worker", STRIPE_API_BASE=base)

    assert named(refused) == NEEDED["worker"]
    assert "CHECKOUT_PAYMENT_RETURN_URL is not set: without it Stripe gives no page for 3-D Secure (" in refused.stderr


async def test_a_malformed_setting_is_named_and_not_shown() -> None:
    refused = await checkout("migrate", DATABASE_URL="mysql://me:s3cret@db/x", TEMPORAL_ADDRESS="t:7233")

    assert refused.returncode == 2
    assert "CHECKOUT_DATABASE_URL is malformed" in refused.stderr
    assert "s3cret" not in refused.stderr


async def test_a_database_that_is_away_is_one_clear_line(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text(HEADER + "MUG,Mug,1290,EUR,5\n")
    with claim_free_port() as claim:
        failed = await checkout(
            "catalog", "import", str(catalogue), DATABASE_URL=f"postgresql://me:s3cret@127.0.0.1:{claim.port}/shop"
        )

    assert failed.returncode == 1
    assert failed.stderr.startswith(f"checkout: PostgreSQL at 127.0.0.1:{claim.port} cannot be reached: ")
    assert failed.stderr.endswith("is it running? (CHECKOUT_DATABASE_URL)\n")
    assert failed.stderr.count("\n") == 1
    assert "s3cret" not in failed.stderr


async def test_a_wrong_password_is_one_clear_line(postgres: EmbeddedPostgres) -> None:
    with claim_free_port() as claim:
        failed = await checkout(
            "migrate",
            DATABASE_URL=postgres.url().replace(postgres.password, "wrong"),
            TEMPORAL_ADDRESS=f"127.0.0.1:{claim.port}",
            TEMPORAL_NAMESPACE="default",
        )

    assert failed.returncode == 1
    assert "password authentication failed" in failed.stderr
    assert failed.stderr.count("\n") == 1


async def test_temporal_that_is_away_is_one_clear_line(database: DatabaseSettings) -> None:
    with claim_free_port() as claim:
        failed = await checkout(
            "migrate",
            DATABASE_URL=database.url.get_secret_value(),
            TEMPORAL_ADDRESS=f"127.0.0.1:{claim.port}",
            TEMPORAL_NAMESPACE="default",
        )

    assert failed.returncode == 1
    assert failed.stderr == (
        f"checkout: Temporal at 127.0.0.1:{claim.port} cannot be reached: Connection refused; "
        "is it running? (CHECKOUT_TEMPORAL_ADDRESS)\n"
    )


async def test_a_namespace_that_is_not_there_is_one_clear_line(
    database: DatabaseSettings, temporal_settings: TemporalSettings
) -> None:
    failed = await checkout(
        "migrate",
        DATABASE_URL=database.url.get_secret_value(),
        TEMPORAL_ADDRESS=temporal_settings.address,
        TEMPORAL_NAMESPACE="nowhere",
    )

    assert failed.returncode == 1
    assert f"{temporal_settings.address} has no namespace nowhere (CHECKOUT_TEMPORAL_NAMESPACE)" in failed.stderr


async def test_migrate_brings_both_to_head_and_may_run_again(
    empty_database: DatabaseSettings, bare_namespace: Client
) -> None:
    settings = {
        "DATABASE_URL": empty_database.url.get_secret_value(),
        "TEMPORAL_ADDRESS": bare_namespace.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": bare_namespace.namespace,
    }
    first, second = await checkout("migrate", **settings), await checkout("migrate", **settings)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "added CheckoutStatus" in first.stdout
    assert "all search attributes are there" in second.stdout
    known = await bare_namespace.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=bare_namespace.namespace)
    )
    assert {key.name for key in SEARCH_ATTRIBUTES} <= set(known.custom_attributes)


async def test_a_catalogue_is_inserted_and_updated(
    database: DatabaseSettings, engine: AsyncEngine, stock: Stock, tmp_path: Path
) -> None:
    await stock({"MUG": (1000, "EUR", 10)})
    await _change(engine, "UPDATE products SET reserved = 3, on_hand = 8")
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text(HEADER + "MUG,White mug,1290,EUR,20\nTEE,T-shirt,2490,EUR,5\n")

    imported = await checkout("catalog", "import", str(catalogue), DATABASE_URL=database.url.get_secret_value())

    assert (imported.returncode, imported.stdout) == (0, "2 articles imported\n")
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT sku, price_minor, on_hand, reserved, received FROM products ORDER BY sku")
        )
    # Two mugs had been sold: what was ever received is what is on hand now and those two.
    assert [tuple(row) for row in rows] == [("MUG", 1290, 20, 3, 22), ("TEE", 2490, 5, 0, 5)]


async def test_less_on_hand_than_is_held_names_the_line_and_imports_nothing(
    database: DatabaseSettings, engine: AsyncEngine, stock: Stock, tmp_path: Path
) -> None:
    await stock({"MUG": (1000, "EUR", 10)})
    await _change(engine, "UPDATE products SET reserved = 3")
    catalogue = tmp_path / f"{uuid.uuid4().hex}.csv"
    catalogue.write_text(HEADER + "TEE,T-shirt,2490,EUR,5\nMUG,White mug,1290,EUR,2\n")

    refused = await checkout("catalog", "import", str(catalogue), DATABASE_URL=database.url.get_secret_value())

    assert refused.returncode == 1
    assert refused.stderr == f"checkout: {catalogue}: line 3: on_hand of MUG is 2, but 3 are held\n"
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*), max(price_minor) FROM products"))).one() == (1, 1000)


async def _change(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))
