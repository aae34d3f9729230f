"""A newer schema under the release before: what it writes is taken, and what is there stays."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from checkout.config.settings import DatabaseSettings
from checkout.db.migrate import migrate
from checkout.db.session import create_engine
from tests.support.project_facts import ROOT

EVENT = "INSERT INTO payment_events VALUES ('{0}', 'refund.created', 'pi_1', NULL, '{1}', now())"


async def bring_to(settings: DatabaseSettings, revision: str) -> None:
    """What `migrate` of the release with this revision did."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(ROOT / Path("checkout/db/migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_engine(settings)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()


async def test_events_of_the_release_before_stay_and_it_goes_on_writing(empty_database: DatabaseSettings) -> None:
    await bring_to(empty_database, "0001")
    old_release = create_engine(empty_database)
    async with old_release.begin() as connection:
        await connection.execute(text(EVENT.format("evt_1", "unmatched")))

    await migrate(empty_database)

    async with old_release.begin() as connection:
        await connection.execute(text(EVENT.format("evt_2", "applied")))
        await connection.execute(text(EVENT.format("evt_3", "foreign")))
        rows = await connection.execute(text("SELECT status FROM payment_events ORDER BY event_id"))
    assert [row.status for row in rows] == ["unmatched", "applied", "foreign"]
    await old_release.dispose()


async def test_a_migration_gives_up_on_a_locked_table_and_changes_nothing(empty_database: DatabaseSettings) -> None:
    await bring_to(empty_database, "0001")
    old_release = create_engine(empty_database)
    async with old_release.begin() as connection:
        await connection.execute(text(EVENT.format("evt_1", "unmatched")))
        with pytest.raises(OperationalError, match="lock timeout"):
            await migrate(empty_database)
        version = await connection.execute(text("SELECT version_num FROM alembic_version"))
    assert version.scalar_one() == "0001"
    await old_release.dispose()
