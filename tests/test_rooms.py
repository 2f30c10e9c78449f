"""The house: which package may reach into which, how deep imports go, and that every file is short enough to read.

The layers themselves, between packages and between rooms, are contracts of import-linter (pyproject.toml).
"""

import ast
import importlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The server and its pages stand on the registry, which is nine deep by itself.
DEEPEST = {"adapters": 8, "recipes": 9, "hub": 12}
LONGEST = 400
# Tables of words and of a made-up market; what builds the starter's weights is no part of the wheel.
TABLES = {"adapters/starter/words.py", "adapters/starter/world.py"}


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, of all modules of the three packages."""
    found = {}
    for package in DEEPEST:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(body: Sequence[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when a module is loaded: not those for types alone, nor those inside functions."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.If):
            for_types = isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"
            yield from imports(statement.orelse if for_types else [*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try | ast.With | ast.ClassDef):
            yield from imports(statement.body)


@cache
def imported(name: str) -> frozenset[str]:
    """The modules of the three packages that a module imports when it is loaded."""
    found = set()
    for statement in imports(ast.parse(modules()[name].read_text(encoding="utf-8")).body):
        if isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                inner = f"{statement.module}.{alias.name}"
                found.add(inner if inner in modules() else statement.module)
        elif isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names)
    return frozenset(found & modules().keys() - {name})


@cache
def chain(name: str) -> tuple[str, ...]:
    """The longest chain of imports within a package that begins at a module."""
    package = name.split(".")[0]
    below = [chain(other) for other in imported(name) if other.startswith(f"{package}.")]
    return (name, *max(below, key=len, default=()))


@pytest.mark.parametrize("package", DEEPEST)
def test_no_chain_of_imports_is_deeper_than_the_house_allows(package: str) -> None:
    longest = max((chain(name) for name in modules() if name.startswith(f"{package}.")), key=len)
    assert len(longest) <= DEEPEST[package], " < ".join(longest)


def test_what_one_package_takes_of_another_is_on_a_face() -> None:
    wrong = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.module not in modules():
                continue
            if node.module.split(".")[0] == name.split(".")[0] or node.module.endswith((".errors", ".lazy")):
                continue
            face = getattr(importlib.import_module(node.module), "__all__", ())
            wrong += [f"{name}: {node.module}.{each.name}" for each in node.names if each.name not in face]
    assert wrong == []


def test_every_room_says_what_belongs_there() -> None:
    silent = [
        name for name, path in modules().items() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_every_file_can_be_read_in_one_sitting() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8").count("\n") for path in modules().values()
    }
    assert {name: count for name, count in lines.items() if count > LONGEST and name not in TABLES} == {}
