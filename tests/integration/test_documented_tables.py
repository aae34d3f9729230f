"""docs/reference/tables.md has every table and every column of the migrated schema, and no other."""

import re

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.project_facts import ROOT

PAGE = (ROOT / "docs/reference/tables.md").read_text()
#: Where alembic keeps which migrations have run.
NOT_OURS = {"alembic_version"}


def documented() -> dict[str, set[str]]:
    tables = {}
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        if name := re.match(r"`(\w+)`\n", section):
            first_cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
            tables[name[1]] = {column for cell in first_cells for column in re.findall(r"`(\w+)`", cell)}
    return tables


async def test_every_table_and_column_is_documented_and_no_other(engine: AsyncEngine) -> None:
    migrated: dict[str, set[str]] = {}
    async with engine.connect() as connection:
        columns = await connection.execute(
            text("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'")
        )
        for table, column in columns:
            migrated.setdefault(table, set()).add(column)

    assert documented() == {table: columns for table, columns in migrated.items() if table not in NOT_OURS}
