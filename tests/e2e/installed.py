"""Environments as people install them: a wheel, what it declares, and nothing else. No network is needed.

What a wheel declares is looked up among the locked distributions that are installed here, with what those declare in
their turn. The files of exactly these are linked into the new environment; then pip installs the wheel without any
index, and refuses when something that it declares is not there.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from checkout_lab.stack.processes.process import Program, listens

MINOR = f"python3.{sys.version_info.minor}"
_OTHERS_MAY_READ = 0o004


@dataclass(frozen=True)
class Installed:
    """An environment in ``directory``; ``user`` is who made it and runs it, None for ourselves."""

    directory: Path
    user: int | None

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.directory / "venv"

    @property
    def site_packages(self) -> Path:
        """Where its distributions are."""
        return self.venv / "lib" / MINOR / "site-packages"

    @property
    def command(self) -> str:
        """The console script."""
        return str(self.venv / "bin" / "checkout")

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a shell that knows nothing of this tree."""
        return {"PATH": os.defpath, "HOME": str(self.directory)}

    async def checkout(self, *arguments: str, status: int = 0, settings: Mapping[str, str] | None = None) -> str:
        """Run the command with these settings; its output, all of it, once it has ended with this status."""
        return await self.run(self.command, *arguments, status=status, settings=settings)

    async def python(self, code: str) -> str:
        """Run code that sees the environment alone, and not the folder that it is run in."""
        return await self.run(str(self.venv / "bin" / "python"), "-P", "-c", code)

    async def run(self, *command: str, status: int = 0, settings: Mapping[str, str] | None = None) -> str:
        """Run any command in the directory, as above."""
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=self.directory,
            env={**self.environment, **(settings or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )
        assert done.returncode == status, done.stdout
        return str(done.stdout)

    def program(self, role: str, port: int, settings: dict[str, str]) -> Program:
        """A process of the product, which is ready when it listens."""
        return Program(
            role=role,
            command=(self.command, role),
            port=port,
            is_ready=lambda: listens(port),
            environment={**self.environment, **settings},
            account=None if self.user is None else (self.user, self.user),
        )


async def install(place: Installed, python: str, *wheels: Path) -> None:
    """Make the environment, with the wheels and what they declare."""
    await place.run(python, "-m", "venv", "--without-pip", "venv")
    for each in declared_by(*wheels).values():
        _link(each, place.site_packages)
    pip = [sys.executable, "-m", "pip", "--python", str(place.venv / "bin" / "python"), "install", "--quiet"]
    alone = ["--no-index", "--find-links", str(wheels[0].parent), "--no-cache-dir", "--disable-pip-version-check"]
    # The configuration of this machine's pip may name an index or a directory of wheels.
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    install = [*pip, *alone, "--no-compile", *map(str, wheels)]
    await asyncio.to_thread(subprocess.run, install, check=True, env=environment)


def declared_by(*wheels: Path) -> dict[str, Distribution]:
    """By name, the installed distributions that the wheels need, directly or not; without the wheels themselves."""
    names = {canonicalize_name(wheel.name.split("-")[0]) for wheel in wheels}
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(text, "") for wheel in wheels for text in _requirements(wheel)]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name in names or (requirement.marker and not requirement.marker.evaluate({"extra": extra})):
            continue
        found[name] = distribution(name)
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(each, wanted) for each in found[name].requires or ()]
    return found


def _requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []


def _link(each: Distribution, site_packages: Path) -> None:
    """Every file that the distribution's record names; a script that names our own interpreter is of no use there."""
    for file in each.files or ():
        source, target = Path(str(file.locate())), site_packages / file
        if not source.is_file() or (target.parent.name == "bin" and _is_script(source)):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not source.stat().st_mode & _OTHERS_MAY_READ:
                raise PermissionError(source)
            target.hardlink_to(source)
        except OSError:
            # On another file system, or closed to the other user.
            shutil.copy2(source, target)
            target.chmod(target.stat().st_mode | _OTHERS_MAY_READ)


def show(role: str, line: str) -> None:
    """Take a line of a process's output, which pytest shows for a test that fails."""
    sys.stderr.write(f"{role:>8} | {line}\n")


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def python_for(user: int | None) -> str | None:
    """An interpreter of this version that the user may run, if there is one; ours may lie in somebody's home."""
    for candidate in (sys.executable, f"/usr/bin/{MINOR}", f"/usr/local/bin/{MINOR}"):
        try:
            subprocess.run([candidate, "-c", ""], check=True, capture_output=True, user=user, group=user)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return None
