"""Formulas of a workbook whose values are not in it: never read as empty cells without a word."""

from pathlib import Path
from typing import Any

import pytest

from recipes.data.load import load_splits
from recipes.data.tables import read_tables
from recipes.errors import DataError, Problem
from recipes.recipe import Recipe
from tests.recipes.data.test_file_bytes import workbook


def cell(value: str | None, kind: str = "") -> str:
    """A formula, as a workbook has it. value: None where the file has no place for one."""
    stored = "" if value is None else f"<v>{value}</v>"
    typed = f' t="{kind}"' if kind else ""
    return f"<c{typed}><f>A2&amp;B2</f>{stored}</c>"


def sheet(path: Path, label: Any, price: Any, again: bool = False) -> Path:
    """Forty rows; the last twenty have the label and the price that are given."""
    rows = [[f"order {n}", ("calm", "sad")[n % 2], n] for n in range(20)]
    rows += [[f"order {n}", label, price] for n in range(20, 40)]
    path.write_bytes(workbook([["text", "label", "price"], *rows], again=again))
    return path


def faults(path: Path, **overrides: Any) -> list[Problem]:
    with pytest.raises(DataError) as caught:
        load_splits(Recipe.load("behavior", **overrides), path)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("price", "again"),
    [(cell(None), False), (cell(""), False), (cell("0"), True)],
    ids=["no place", "empty", "zeros"],
)
def test_formulas_without_values_are_refused_where_their_column_is_read(
    tmp_path: Path, price: str, again: bool
) -> None:
    path = sheet(tmp_path / "a.xlsx", "calm", price, again)
    [problem] = faults(path, **{"data.features": ["price"]})
    assert (problem.line, problem.column) == (22, "price")
    assert "holds 20 formulas whose values are not in the file" in problem.message
    assert "Open the file in Excel or LibreOffice" in problem.fix
    assert (
        "a.xlsx: `price` holds 20 formulas whose values are not in the file; it is not read"
        in load_splits(Recipe.load("behavior"), path).notes
    )


def test_it_is_said_once_and_not_of_each_empty_cell(tmp_path: Path) -> None:
    [problem] = faults(sheet(tmp_path / "a.xlsx", cell(None), 1))
    assert problem.column == "label" and problem.line == 22


@pytest.mark.parametrize(
    ("price", "again"),
    [
        (cell("12"), False),
        (cell("", "str"), False),
        (cell("sad", "str"), False),
        (cell("0"), False),
        (cell("3"), True),
        (5, True),
    ],
    ids=["a number", "an empty text", "a text", "zero", "a number that is computed again", "no formula"],
)
def test_formulas_with_values_are_read_as_these(tmp_path: Path, price: Any, again: bool) -> None:
    [table] = read_tables(sheet(tmp_path / "a.xlsx", "calm", price, again))
    assert not table.faults and not table.problems and len(table.rows) == 40


def test_a_sheet_of_formulas_alone_says_why_it_has_no_row(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook([["text", "label"], *([cell(None), cell(None)] for _ in range(9))]))
    assert {problem.column for problem in faults(path)} == {"text", "label", None}


def test_zeros_beside_other_values_are_values(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    rows = [[f"order {n}", "calm", cell(str(n % 3))] for n in range(12)]
    path.write_bytes(workbook([["text", "label", "price"], *rows], again=True))
    [table] = read_tables(path)
    assert not table.faults


def test_titles_above_the_header_and_other_sheets_are_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    first = [[cell(None)], [""], ["text", "label"], *([f"order {n}", "calm"] for n in range(5))]
    path.write_bytes(workbook(first, [["a"], [cell(None)]]))
    [table] = read_tables(path)
    assert not table.faults


def test_cells_stand_where_their_places_say(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    texts = [
        [f'<c r="{letter}{n}" t="inlineStr"><is><t>order {n}</t></is></c>' for letter in "AB"]
        for n in range(2, 12)
    ]
    # Nothing stands in C, and the workbook leaves its cells out.
    rows = [[*each, f'<c r="D{n}"><f>1+1</f></c>'] for n, each in enumerate(texts, start=2)]
    path.write_bytes(workbook([["text", "label", "note", "price"], *rows]))
    [table] = read_tables(path)
    assert {column: problem.line for column, problem in table.faults.items()} == {"price": 2}
