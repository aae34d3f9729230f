"""Tests share code through tests/support alone; a suite can be read, run and changed without the others."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project_facts import ROOT

TESTS = ROOT / "tests"
FILES = sorted(path.relative_to(TESTS) for path in TESTS.rglob("*.py"))
SUITES = {path.parts[0] for path in FILES if len(path.parts) > 1}


def imported(source: str) -> Iterator[str]:
    """The modules of ours, below `tests`, that a file may mean by its imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def misplaced(file: Path, source: str) -> list[str]:
    """What the file imports and may not."""
    ours = [name.split(".")[1:] for name in imported(source) if name.split(".")[0] == "tests"]
    own = {"support", file.parts[0]}
    return [".".join(name) for name in ours if name[0] not in own or any(map(is_pytests_own, name[1:2] + name[:1]))]


def is_pytests_own(name: str) -> bool:
    return name == "conftest" or name.startswith("test_")


def test_the_suites_are_known() -> None:
    assert {"support", "unit", "integration", "workflow", "exhaustive", "e2e", "property", "replay"} <= SUITES


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_suite_imports_support_and_itself_alone(file: Path) -> None:
    assert misplaced(file, (TESTS / file).read_text()) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("unit/test_a.py", "from tests.workflow.shop import Shop"),
        ("unit/test_a.py", "from tests import workflow"),
        ("unit/test_a.py", "import tests.workflow.shop"),
        ("unit/test_a.py", "from tests.conftest import stock"),
        ("unit/test_a.py", "from tests.unit.conftest import stock"),
        ("unit/test_a.py", "from tests.unit.test_b import body"),
        ("unit/test_a.py", "def late():\n    from tests.e2e import driver"),
        ("support/shop.py", "from tests.unit import parts"),
        ("conftest.py", "from tests.unit import parts"),
    ],
)
def test_an_import_across_suites_is_found(file: str, source: str) -> None:
    assert misplaced(Path(file), source) != []


@pytest.mark.parametrize(
    "source", ["from tests.support.shop import Shop", "from tests.unit import parts", "import ast"]
)
def test_an_import_of_support_or_of_the_own_suite_is_allowed(source: str) -> None:
    assert misplaced(Path("unit/test_a.py"), source) == []
