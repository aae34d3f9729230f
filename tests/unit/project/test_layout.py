"""Rules of the code itself that no linter of ours knows."""

import ast
import importlib
import statistics
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from checkout.domain.states import TRANSITIONS
from tests.support.project_facts import ROOT

ROOMS = ("api", "workflows", "activities", "checkout")
FILES = [ROOT / "worker.py", *chain.from_iterable((ROOT / room).rglob("*.py") for room in ROOMS)]

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_MEDIAN_FUNCTION_LINES = 10


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    assert [f.name for f in functions(path) if length_lines(f) > MAX_FUNCTION_LINES] == []


def test_most_functions_are_short() -> None:
    lengths = [length_lines(function) for path in FILES for function in functions(path)]

    assert statistics.median(lengths) <= MAX_MEDIAN_FUNCTION_LINES


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


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.py")), ids=lambda path: path.name)
def test_no_workflow_reads_a_setting(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }

    assert imported & {"os", "checkout.config.settings", "checkout.db", "checkout.payments"} == set()
