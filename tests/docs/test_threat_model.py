"""What the threat model says holds, a test holds."""

import ast
import re
from functools import cache

from tests.docs.blocks import ROOT

_TEST = re.compile(r"`(tests/[\w/]+\.py)?::(\w+)`")


def test_every_row_names_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    table = page.partition("| the test that holds it |\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert len(table) > 20
    unheld, missing = [], []
    for row in table:
        named, path = _TEST.findall(row), ""
        if not named or not named[0][0]:
            unheld.append(row)
        for file, name in named:
            path = file or path
            if name not in _functions(path):
                missing.append(f"{path}::{name}")
    assert (unheld, missing) == ([], [])


@cache
def _functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
