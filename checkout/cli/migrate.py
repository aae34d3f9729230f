"""``checkout migrate``."""

import asyncio

import typer

from checkout.cli.failures import database_explained, temporal_explained
from checkout.config.settings import DatabaseSettings, ReconcileSettings, TemporalSettings, load_all
from checkout.db.migrate import migrate
from checkout.provisioning.schedule import SCHEDULE_ID, schedule_reconciliation
from checkout.provisioning.search_attributes import register_search_attributes
from checkout.temporal.client import connect


def bring_to_head() -> None:
    """Bring the schema to head, register the search attributes, schedule reconciliation, and say what was done.

    Raises:
        ConfigurationError: settings are missing or malformed, or Temporal does not let us register.
    """
    database, temporal, reconcile = load_all(DatabaseSettings, TemporalSettings, ReconcileSettings)
    with database_explained(database):
        typer.echo(f"database: the schema is at {asyncio.run(migrate(database))}")
    with temporal_explained(temporal):
        added = asyncio.run(_prepare(temporal, reconcile))
        typer.echo(f"Temporal: {'added ' + ', '.join(added) if added else 'all search attributes are there'}")
        typer.echo(f"Temporal: the schedule {SCHEDULE_ID} compares the books every {reconcile.every_seconds:g} s")


async def _prepare(settings: TemporalSettings, reconcile: ReconcileSettings) -> list[str]:
    client = await connect(settings)
    added = await register_search_attributes(client)
    await schedule_reconciliation(client, reconcile)
    return added
