"""What other users of the same PostgreSQL may do to us: hold rows, take every connection, change the server's ways."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import psycopg
from psycopg import sql

Session = psycopg.AsyncConnection[tuple[object, ...]]

_CONNECT_SECONDS = 5
#: How soon a slot that somebody gave up is tried for.
_GREED_SECONDS = 0.02
#: Ours is never the one that is ended to resolve a deadlock: the server asks the other first.
_PATIENT = "SET deadlock_timeout = '30s'; SET lock_timeout = '3s'"
_PRODUCTS = "SELECT sku FROM products ORDER BY sku DESC LIMIT 50 FOR UPDATE"
_CHECKOUTS = """
    SELECT checkout_id FROM checkouts WHERE status NOT IN ('confirmed', 'rejected', 'cancelled')
    ORDER BY checkout_id DESC LIMIT 200 FOR UPDATE
"""


class Rival:
    """Another user with every right. Its sessions end with the block that opened them."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A session in autocommit; whether it outlives the block is the server's business alone.

        Raises:
            psycopg.OperationalError: the server is away or full.
        """
        session = await self._connect()
        try:
            yield session
        finally:
            await session.close()

    async def end_sessions(self) -> None:
        """Have the server end every session of the product (their application_name is checkout)."""
        async with self.session() as session:
            await _end_sessions(session)

    @asynccontextmanager
    async def setting(self, name: str, value: str) -> AsyncIterator[None]:
        """The server has another setting within the block, in its sessions as well as for new ones."""
        change = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
        await self._alter(change)
        try:
            yield
        finally:
            await self._alter(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))

    @asynccontextmanager
    async def every_connection(self) -> AsyncIterator[int]:
        """Within the block nobody else gets a connection; yields how many it took to fill the server.

        The product's sessions are ended, and the slots that they leave are taken as well.
        """
        async with AsyncExitStack() as sessions:
            first = await sessions.enter_async_context(self.session())
            count = 1
            with suppress(psycopg.OperationalError):
                while True:
                    await sessions.enter_async_context(self.session())
                    count += 1
            greed = asyncio.create_task(self._take_what_is_left(sessions))
            try:
                await _end_sessions(first)
                yield count
            finally:
                greed.cancel()
                await asyncio.wait([greed])

    async def cross(self, hold_seconds: float) -> None:
        """Lock articles and then checkouts, each in the order opposite to the product's, and give it all up again."""
        async with self.session() as session:
            await session.execute(_PATIENT)
            # A timeout here ends a round, as its success does.
            with suppress(psycopg.OperationalError):
                async with session.transaction(force_rollback=True):
                    await session.execute(_PRODUCTS)
                    await asyncio.sleep(hold_seconds)
                    await session.execute(_CHECKOUTS)

    async def _take_what_is_left(self, sessions: AsyncExitStack) -> None:
        while True:
            with suppress(psycopg.OperationalError):
                await sessions.enter_async_context(self.session())
            await asyncio.sleep(_GREED_SECONDS)

    async def _alter(self, change: sql.Composed) -> None:
        async with self.session() as session:
            await session.execute(change)
            await session.execute("SELECT pg_reload_conf()")

    async def _connect(self) -> Session:
        return await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name="rival"
        )


async def reset_server(url: str) -> None:
    """Every setting of `Rival.setting` is forgotten, and every rival's session is over.

    Raises:
        psycopg.OperationalError: the server is away.
    """
    async with Rival(url).session() as session:
        await session.execute("ALTER SYSTEM RESET ALL")
        await session.execute("SELECT pg_reload_conf()")
        await session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'rival' AND pid <> pg_backend_pid()"
        )


async def _end_sessions(session: Session) -> None:
    await session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'checkout'")
