"""What people install is the wheel: it works in an environment of its own, from another folder, for any user.

No network is needed: the environment finds the locked dependencies in this one by a path file. Python reads no path
files of a directory that was added so, hence the editable install of this tree stays out of it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest

from tests.support.dev_process import checkout_dev, temporary_directory

ROOT = Path(__file__).parents[2]
MINOR = f"python3.{sys.version_info.minor}"
NOBODY = 65534
CATALOGUE = "sku,name,price_minor,currency,on_hand\nCUP,Cup,990,EUR,4\n"


@pytest.fixture(scope="module")
def wheel(server_directory: Path) -> Iterator[Path]:
    """The wheel of this tree."""
    directory = server_directory / "wheel"
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(hatchling, cwd=ROOT, check=True, capture_output=True)
    (built,) = directory.glob("durable_checkout-*.whl")
    yield built
    shutil.rmtree(directory)


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel; ``user`` is who made it and runs it, None for ourselves."""

    directory: Path
    user: int | None

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a shell that knows nothing of this tree."""
        return {"PATH": os.defpath, "HOME": str(self.directory)}

    @property
    def command(self) -> str:
        """The console script."""
        return str(self.directory / "venv" / "bin" / "checkout")

    def run(self, *command: str, **environment: str) -> str:
        """Run a command in the directory; its output, all of it."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(params=["ourselves", "an ordinary user"])
async def installed(request: pytest.FixtureRequest, wheel: Path) -> AsyncIterator[Installed]:
    """The wheel in a new environment, in a directory outside of this tree."""
    user = None if request.param == "ourselves" else NOBODY
    if user and os.geteuid() != 0:
        pytest.skip("we are an ordinary user ourselves")
    async with temporary_directory() as directory:
        if user:
            os.chown(directory, user, user)
        place = Installed(directory, user)
        place.run(python_for(user), "-m", "venv", "--without-pip", "venv")
        unpack(place, wheel)
        yield place


def python_for(user: int | None) -> str:
    """An interpreter of this version that the user may run; ours may lie in somebody's home."""
    for candidate in (sys.executable, f"/usr/bin/{MINOR}", f"/usr/local/bin/{MINOR}"):
        try:
            subprocess.run([candidate, "-c", ""], check=True, capture_output=True, user=user, group=user)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    pytest.skip(f"no {MINOR} that an ordinary user may run")


def unpack(place: Installed, wheel: Path) -> None:
    """Install with pip, from the wheel alone; add the way to the dependencies and to their programs."""
    venv = place.directory / "venv"
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install", "--quiet"]
    no_network = ["--no-deps", "--no-index", "--no-cache-dir", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, *no_network, str(wheel)], check=True)
    dependencies = venv / "lib" / MINOR / "site-packages" / "dependencies.pth"
    dependencies.write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    (venv / "bin" / "temporal").symlink_to(Path(sysconfig.get_path("scripts")) / "temporal")


async def test_the_wheel_sells_from_another_folder(installed: Installed) -> None:
    assert installed.run(installed.command, "--version") == f"checkout {version('durable-checkout')}\n"
    where = "import checkout, worker, api, workflows, activities; print(checkout.__file__, worker.__file__)"
    places = installed.run(str(installed.directory / "venv" / "bin" / "python"), "-P", "-c", where)
    assert places.count(str(installed.directory)) == 2
    (installed.directory / "catalogue.csv").write_text(CATALOGUE)

    async with checkout_dev(
        installed.directory,
        "--ephemeral",
        command=(installed.command,),
        environment=installed.environment,
        user=installed.user,
    ) as dev:
        imported = installed.run(
            *(installed.command, "catalog", "import", "catalogue.csv"),
            CHECKOUT_DATABASE_URL=dev.info["database_url"],
        )
        assert imported == "1 article imported\n"
        assert (await dev.buy())["status"] == "confirmed"
        async with await psycopg.AsyncConnection.connect(dev.info["database_url"]) as connection:
            row = await (await connection.execute("SELECT on_hand FROM products WHERE sku = 'CUP'")).fetchone()
        assert row == (4,)
