"""``checkout migrate``."""

import asyncio

import typer

from checkout.cli.failures import database_explained, require, temporal_explained
from checkout.cli.search_attributes import register_search_attributes
from checkout.config import DatabaseSettings, TemporalSettings, load
from checkout.db.migrate import migrate
from checkout.temporal import connect


def bring_to_head() -> None:
    """Bring the schema to head, then register the search attributes, and say what was done.

    Raises:
        ConfigurationError: a setting is missing, or Temporal does not let us register.
    """
    require(DatabaseSettings, TemporalSettings)
    database, temporal = load(DatabaseSettings), load(TemporalSettings)
    with database_explained(database):
        typer.echo(f"database: the schema is at {asyncio.run(migrate(database))}")
    with temporal_explained(temporal):
        added = asyncio.run(_register(temporal))
        typer.echo(f"Temporal: {'added ' + ', '.join(added) if added else 'all search attributes are there'}")


async def _register(settings: TemporalSettings) -> list[str]:
    return await register_search_attributes(await connect(settings))
