"""What must always hold, asked of the tables by the campaign's own checker: one for tests and campaigns alike."""

from sqlalchemy.ext.asyncio import AsyncEngine

from checkout_lab.chaos.checker.books import snapshot
from checkout_lab.chaos.checker.checker import table_violations


async def violations(engine: AsyncEngine, *, at_rest: bool = True) -> list[str]:
    """Everything that is wrong now; with ``at_rest`` also what may be so only while a checkout is under way."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with snapshot(url) as connection:
        found = await table_violations(connection, frozenset() if at_rest else None)
    return [str(violation) for violation in found]
