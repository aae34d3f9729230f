"""``checkout catalog import``."""

import asyncio
from pathlib import Path

import typer

from checkout.cli.catalogue_file import import_catalogue
from checkout.cli.failures import database_explained
from checkout.config.settings import DatabaseSettings, load
from checkout.db.session import create_engine


def import_file(path: Path) -> None:
    """Import the file into the database of the environment.

    Raises:
        ConfigurationError: the database is not configured.
        InvalidCatalogue: the file has a bad row; nothing was imported.
    """
    settings = load(DatabaseSettings)
    with database_explained(settings):
        count = asyncio.run(_import(settings, path))
    typer.echo(f"{count} article{'' if count == 1 else 's'} imported")


async def _import(settings: DatabaseSettings, path: Path) -> int:
    engine = create_engine(settings)
    try:
        return await import_catalogue(engine, path)
    finally:
        await engine.dispose()
