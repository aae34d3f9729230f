"""No row and no statement leaves `checkout.db`: what its functions take and return are the domain's classes."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import pytest
from sqlalchemy import Row, TextClause

import checkout.db

#: The way to PostgreSQL itself, for the other modules of the room; and what runs the migrations.
_OF_THE_ROOM = {"session", "migrate", "migrations"}
MODULES = [found.name for found in pkgutil.iter_modules(checkout.db.__path__) if found.name not in _OF_THE_ROOM]


def public_functions(module: str) -> Iterator[Callable[..., Any]]:
    found = importlib.import_module(f"checkout.db.{module}")
    for name, function in inspect.getmembers(found, inspect.isfunction):
        if function.__module__ == found.__name__ and not name.startswith("_"):
            yield function


def within(hint: Any) -> set[Any]:
    """The type, and those that it is made of."""
    return {hint, getattr(hint, "__origin__", hint)}.union(*(within(one) for one in get_args(hint)))


@pytest.mark.parametrize("module", MODULES)
def test_what_a_function_takes_and_returns_is_no_row_and_no_statement(module: str) -> None:
    functions = list(public_functions(module))
    assert functions
    for function in functions:
        types = set().union(*(within(hint) for hint in get_type_hints(function).values()))
        assert types & {Row, TextClause, Any} == set(), function.__qualname__
