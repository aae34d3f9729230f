"""The connections to PostgreSQL. With `Database`, each statement is its own transaction, unless a longer one is opened.

An import of the catalogue and the migrations use the engine itself: a person reads their errors as the server wrote
them. Rows and statements stay within this room: its other modules return classes of the domain.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from checkout.config.settings import DatabaseSettings
from checkout.domain.errors import DatabaseUnavailable, InvariantBroken

#: What the server itself enforces, so that a lost client or a lock cannot hold a step for longer than its retry.
_SERVER_SETTINGS = {
    "statement_timeout": "8s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
    # A connection cut without a word is noticed by the server instead of holding its locks.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


def create_engine(settings: DatabaseSettings) -> AsyncEngine:
    """An engine for the settings; nothing is connected before the first statement."""
    return create_async_engine(
        settings.url.get_secret_value(),
        pool_size=settings.pool_size,
        max_overflow=0,
        hide_parameters=True,
        pool_timeout=5,
        # A pool that hands out the warmest connection lets the spare ones rest.
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": 5,
            "application_name": "checkout",
            "target_session_attrs": "read-write",
            "options": " ".join(f"-c {name}={value}" for name, value in _SERVER_SETTINGS.items()),
        },
    )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Tell a wrong value from a server in trouble, and leave statement and parameters out of what operators read.

    Everything but a broken rule counts as trouble: a missing table is a migration that has not run yet.
    """
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise InvariantBroken(f"PostgreSQL refused it: {_first_line(error.orig)}") from None
    except DBAPIError as error:
        raise DatabaseUnavailable(f"PostgreSQL: {_first_line(error.orig)}") from None
    except PoolTimeoutError:
        raise DatabaseUnavailable("every connection to PostgreSQL is in use") from None


def _first_line(error: BaseException | None) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class Database:
    """The connections to PostgreSQL. A unit of work is one statement, or one transaction.

    Raises, in every method:
        DatabaseUnavailable: the server is in trouble; what was asked may or may not have happened.
        InvariantBroken: a rule of the tables refused it.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._engine = engine

    async def ping(self) -> None:
        """Return when PostgreSQL has responded."""
        await self.one(text("SELECT 1"), {})

    async def locked(self, lock: TextClause, statement: TextClause, parameters: Mapping[str, Any]) -> Row[Any] | None:
        """Lock rows, and then run one statement that sees them as they are under the lock; its first row, if any."""
        async with self.transaction() as connection:
            await connection.execute(lock, parameters)
            return (await connection.execute(statement, parameters)).first()

    async def run(self, statement: TextClause, parameters: Mapping[str, Any]) -> None:
        """Run one statement that returns no rows as its own transaction, in one round trip."""
        with _translated_errors():
            async with self._autocommit.connect() as connection:
                await connection.execute(statement, parameters)

    async def one(self, statement: TextClause, parameters: Mapping[str, Any]) -> Row[Any] | None:
        """Run one statement as its own transaction, in one round trip; its first row, if any."""
        with _translated_errors():
            async with self._autocommit.connect() as connection:
                return (await connection.execute(statement, parameters)).first()

    async def all(self, statement: TextClause, parameters: Mapping[str, Any]) -> list[Row[Any]]:
        """Run one statement as its own transaction; all its rows."""
        with _translated_errors():
            async with self._autocommit.connect() as connection:
                return list((await connection.execute(statement, parameters)).all())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Several statements that happen together or not at all (READ COMMITTED: each sees what others committed)."""
        with _translated_errors():
            async with self._engine.begin() as connection:
                yield connection
