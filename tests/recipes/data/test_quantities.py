"""Numbers that are written otherwise than Python reads them: one problem for one cause, and its fix holds."""

import csv
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from recipes.data import check, load_splits, propose
from recipes.errors import DataError, Problem
from recipes.options import parse_override, read_yaml
from recipes.recipe import Recipe

Rows = list[dict[str, Any]]


def as_csv(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def as_lines(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def as_parquet(path: Path, rows: Rows) -> None:
    parquet.write_table(pa.Table.from_pylist(rows), path)


WAYS: dict[str, Callable[[Path, Rows], None]] = {
    "a.csv": as_csv,
    "a.jsonl": as_lines,
    "a.parquet": as_parquet,
}


def reviews(weight: Callable[[int], Any]) -> Rows:
    return [
        {"text": f"so late again {n}", "label": "mad" if n % 2 else "glad", "weight": weight(n)}
        for n in range(40)
    ]


def ads(**cells: Callable[[int], Any]) -> Rows:
    return [
        {"user": f"bought {n}", "ad": f"shoes {n % 4}", **{name: cell(n) for name, cell in cells.items()}}
        for n in range(40)
    ]


def problems(recipe: Recipe, path: Path) -> tuple[Problem, ...]:
    with pytest.raises(DataError) as caught:
        check(recipe, path)
    return caught.value.problems


def followed(fix: str) -> dict[str, Any]:
    """What the options of a fix say."""
    options = shlex.split(re.split(r"; or count| \(in the recipe", fix)[0].partition("--set")[2])
    return dict(parse_override(option) for option in options if "=" in option)


@pytest.mark.parametrize("name", WAYS)
def test_decimal_commas_are_one_problem_and_its_fix_holds(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WAYS[name](path, reviews(lambda n: f"{1 + n % 7},5"))
    [problem] = problems(Recipe.load("behavior"), path)
    assert problem.column == "weight" and "decimal comma" in problem.message
    recipe = Recipe.load("behavior", **followed(problem.fix))
    splits = load_splits(recipe, path)
    assert {example.weight for example in splits.train} == {1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("written", ["{}.09", "{},09"])
def test_percentages_without_their_sign_are_one_problem_and_its_fix_holds(
    tmp_path: Path, name: str, written: str
) -> None:
    path = tmp_path / name
    WAYS[name](path, ads(impressions=lambda n: 10_000, CTR=lambda n: written.format(n % 7)))
    [problem] = problems(Recipe.load("recommendation", **{"data.columns.ctr": "CTR"}), path)
    assert problem.column == "CTR" and "no share" in problem.message
    recipe = Recipe.load("recommendation", **{"data.columns.ctr": "CTR"}, **followed(problem.fix))
    rows = [example for example in load_splits(recipe, path).train if example.label == 1]
    assert {example.weight for example in rows} == {9, 109, 209, 309, 409, 509, 609}


def test_native_percentages_are_shares_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    as_lines(path, ads(impressions=lambda n: 10_000, ctr=lambda n: n % 7 + 0.5))
    [problem] = problems(Recipe.load("recommendation", **{"data.columns.ctr": "ctr"}), path)
    recipe = Recipe.load("recommendation", **{"data.columns.ctr": "ctr"}, **followed(problem.fix))
    assert check(recipe, path).rows == 40


def test_a_single_share_above_one_is_the_fault_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    as_csv(path, ads(impressions=lambda n: 100, ctr=lambda n: "3.11" if n == 5 else f"0.{10 + n}"))
    [problem] = problems(Recipe.load("recommendation", **{"data.columns.ctr": "ctr"}), path)
    assert (problem.line, problem.value) == (7, "3.11")


def test_a_fault_among_numbers_does_not_undo_their_sign(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    as_csv(path, reviews(lambda n: "much" if n == 3 else f"{n + 1},5"))
    [problem] = problems(Recipe.load("behavior", **{"data.format.decimal": "comma"}), path)
    assert (problem.line, problem.value) == (5, "much")


@pytest.mark.parametrize(
    ("rows", "given"),
    [
        (reviews(lambda n: f"{1 + n % 7},5"), {"decimal": "comma"}),
        (ads(impressions=lambda n: f"{n + 1}.003", clicks=lambda n: n), {"decimal": "comma"}),
        (ads(impressions=lambda n: 10_000, ctr=lambda n: f"{n % 7}.09"), {"percent": ["ctr"]}),
        (
            ads(impressions=lambda n: 10_000, ctr=lambda n: f"{n % 7},09"),
            {"decimal": "comma", "percent": ["ctr"]},
        ),
    ],
)
@pytest.mark.parametrize("name", WAYS)
def test_a_proposed_recipe_says_how_numbers_are_written(
    tmp_path: Path, rows: Rows, given: dict[str, Any], name: str
) -> None:
    path = tmp_path / name
    WAYS[name](path, rows)
    proposal = propose(path)
    assert proposal.problems == ()
    recipe = Recipe.from_dict(read_yaml(proposal.text))
    assert recipe.data.format.model_dump(exclude_defaults=True) == given
    assert recipe.task == ("behavior" if "label" in rows[0] else "recommendation")
    assert {"weight"} <= recipe.data.columns.keys() or {"impressions"} <= recipe.data.columns.keys()
