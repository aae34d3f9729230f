"""One name, one class: a reader who finds a name anywhere in product and laboratory knows which class it is."""

import ast
from collections import defaultdict
from pathlib import Path

from tests.support.project_facts import ROOT

FILES = [
    ROOT / "worker.py",
    *(
        path
        for package in ("api", "workflows", "activities", "checkout", "lab/checkout_lab")
        for path in sorted((ROOT / package).rglob("*.py"))
    ),
]


def classes(path: Path) -> set[str]:
    """The names of a file's classes; the underscore of a private one does not make it another name."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name.lstrip("_") for node in nodes if isinstance(node, ast.ClassDef)}


def test_no_two_classes_of_product_and_laboratory_have_one_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for name in classes(path):
            places[name].append(str(path.relative_to(ROOT)))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}
