"""Rules of the code itself that no linter checks."""

import ast
import importlib
import re
import statistics
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from checkout.domain.states import TRANSITIONS
from tests.support.project_facts import ROOT

PACKAGES = ("api", "workflows", "activities", "checkout", "lab/checkout_lab")
FILES = [ROOT / "worker.py", *chain.from_iterable((ROOT / package).rglob("*.py") for package in PACKAGES)]
#: Folders of code. Alembic finds the migrations by their folder, which is no package.
ROOMS = sorted({path.parent for path in FILES if "migrations" not in path.parts} - {ROOT})

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_MEDIAN_FUNCTION_LINES = 10
MAX_FILES_IN_A_ROOM = 12


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports(path: Path) -> set[str]:
    """The modules that a file imports, at its top or later."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def length_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    assert [f.name for f in functions(path) if length_lines(f) > MAX_FUNCTION_LINES] == []


def test_most_functions_are_short() -> None:
    lengths = [length_lines(function) for path in FILES for function in functions(path)]

    assert statistics.median(lengths) <= MAX_MEDIAN_FUNCTION_LINES


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_no_room_has_more_files_than_one_sees_at_once(room: Path) -> None:
    assert len(list(room.glob("*.py"))) <= MAX_FILES_IN_A_ROOM


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_every_room_says_in_two_sentences_what_belongs_there(room: Path) -> None:
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""

    assert len(re.findall(r"[.!?](?=\s|$)", text)) >= 2, text


def test_the_contract_of_the_domain_forbids_every_package_that_the_product_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each.get("source_modules") == ["checkout.domain"])
    product = [path for path in FILES if "lab" not in path.relative_to(ROOT).parts]
    packages = {name.partition(".")[0] for path in product for name in imports(path)}

    assert packages - sys.stdlib_module_names - {*PACKAGES, "worker", "checkout_lab"} <= set(
        contract["forbidden_modules"]
    )


def test_postgresql_allows_the_transitions_of_the_domain_and_no_other() -> None:
    versions = "checkout.db.migrations.versions"
    first = importlib.import_module(f"{versions}.0001_the_checkout")
    later = importlib.import_module(f"{versions}.0003_the_provider_has_the_last_word")
    tables = {table: transitions for table, (_, _, transitions) in first.STATE_MACHINES.items()} | later.TRANSITIONS
    allowed = {
        table: frozenset(tuple(pair.split(">")) for pair in transitions.split())
        for table, transitions in tables.items()
    }

    assert allowed == TRANSITIONS


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").rglob("*.py")), ids=lambda path: path.name)
def test_no_workflow_reads_the_environment(path: Path) -> None:
    # That none imports the settings is a contract of import-linter.
    assert "os" not in imports(path)
