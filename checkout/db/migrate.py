"""Brings the schema to head; safe to run twice, by two at once, and while the old release runs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from checkout.config.settings import DatabaseSettings
from checkout.db.session import create_engine

#: Any number will do, so long as every release uses the same one.
_MIGRATION_LOCK = 7_103_220_991


async def migrate(settings: DatabaseSettings) -> str:
    """Bring the schema to the newest revision; returns its name.

    Raises:
        sqlalchemy.exc.OperationalError: the database is away, or a table stayed locked for 5 s; nothing was changed.
    """
    engine = create_engine(settings)
    try:
        async with engine.begin() as connection:
            # A migration may take longer than a step, and waits its turn behind another `checkout migrate`. It does not
            # wait long for tables in use: DDL that queues for a lock makes every checkout queue behind it.
            await connection.execute(text("SET LOCAL statement_timeout = '10min'"))
            await connection.execute(text("SET LOCAL lock_timeout = '5min'"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            return await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> str:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return MigrationContext.configure(connection).get_current_revision() or "none"
