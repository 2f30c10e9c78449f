"""`data.skip_bad_rows`: a few rows with faults are left out and listed; more of them are problems as ever."""

import json
from pathlib import Path
from typing import Any

import pytest

from recipes.data.load import check, load_splits
from recipes.data.skipped import write_skipped
from recipes.errors import DataError, RecipeError
from recipes.recipe import Recipe

LINES = ["user,ad,clicked", *(f"user {i},ad {i % 7},{int(i % 3 == 0)}" for i in range(200))]
BAD = {
    "a value": "user x,ad x,maybe",
    "an empty cell": "user x,,1",
    "a private address": "user x,write to ann.lee@example.com,1",
    "too many cells": "user x,ad,x,1",
    "a header again": "user,ad,clicked",
    "a total": "Total,--,1234",
}


def written(path: Path, *bad: str) -> Path:
    path.write_text("\n".join([*LINES[:50], *bad, *LINES[50:]]), encoding="utf-8")
    return path


def recipe(share: float) -> Recipe:
    return Recipe.load("recommendation", **{"data.skip_bad_rows": share, "data.pii": "refuse"})


@pytest.mark.parametrize("fault", BAD)
def test_a_row_with_any_fault_is_left_out_and_listed(tmp_path: Path, fault: str) -> None:
    path = written(tmp_path / "clicks.csv", BAD[fault])
    with pytest.raises(DataError) as caught:
        load_splits(recipe(0.0), path)
    with pytest.raises(DataError):
        check(recipe(0.0), path)
    splits, looked = load_splits(recipe(0.01), path), check(recipe(0.01), path)
    assert splits.skipped == looked.skipped == caught.value.problems
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == 200
    told = "clicks.csv: 1 of 201 rows are left out, for what is wrong with them (data.skip_bad_rows)"
    assert [note for note in splits.notes if note.startswith(told)]
    assert [note for note in looked.notes if note.startswith(told)]


def test_more_than_the_share_of_one_file_is_every_problem(tmp_path: Path) -> None:
    path = written(tmp_path / "clicks.csv", *(BAD[name] for name in ("a value", "an empty cell", "a total")))
    with pytest.raises(DataError) as caught:
        load_splits(recipe(0.01), path)
    assert len({problem.line for problem in caught.value.problems}) == 3
    assert len({problem.line for problem in load_splits(recipe(0.02), path).skipped}) == 3
    good = written(tmp_path / "good.csv")
    with pytest.raises(DataError, match=r"clicks\.csv"):
        check(recipe(0.01), [good, path])


def test_what_is_wrong_with_a_file_is_never_skipped(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("\n".join([*LINES, '"user x,ad x,1']), encoding="utf-8")
    with pytest.raises(DataError, match="no valid CSV"):
        load_splits(recipe(0.5), path)


def test_half_a_line_of_json_is_a_row(tmp_path: Path) -> None:
    rows = [json.dumps({"user": f"u {i}", "ad": f"a {i}", "clicked": i % 2}) for i in range(150)]
    path = tmp_path / "clicks.jsonl"
    path.write_text("\n".join([*rows[:9], rows[9][:20], "[1]", *rows[9:]]), encoding="utf-8")
    assert [problem.line for problem in check(recipe(0.02), path).skipped] == [10, 11]


def test_the_list_has_the_line_the_column_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    def listed(*bad: str) -> list[dict[str, Any]]:
        splits = load_splits(recipe(0.05), written(tmp_path / "clicks.csv", *bad))
        write_skipped(splits.skipped, tmp_path)
        path = tmp_path / "skipped.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    first, second = listed(BAD["a value"], BAD["too many cells"])
    assert (second["file"], second["line"], second["column"]) == ("clicks.csv", 51, "clicked")
    assert second["what"] == "'maybe'; expected 0 or 1"
    assert second["fix"].startswith("Write 0 or 1")
    assert (first["line"], first["column"], first["what"]) == (52, None, "the row has 4 cells, the header 3")
    assert listed() == []


@pytest.mark.parametrize("share", [-0.1, 1, "some"])
def test_a_share_is_below_one(share: Any) -> None:
    with pytest.raises(RecipeError, match="skip_bad_rows"):
        recipe(share)
