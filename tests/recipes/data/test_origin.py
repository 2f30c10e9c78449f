"""What tells a row from all others is not its line: a JSON array may stand in one line, a file may be given twice."""

import json
from pathlib import Path

import numpy as np
import pytest

from recipes import Recipe
from recipes.answer.linear import learn
from recipes.data import load_splits
from recipes.data.profiling import profile
from recipes.errors import DataError
from recipes.examples import Example, Splits
from recipes.measure import intervals
from recipes.tasks import recommendation


def moods(count: int = 200) -> list[dict[str, object]]:
    return [
        {"text": f"{'good' if i % 2 else 'bad'} thing {i}", "label": "yes" if i % 2 else "no"}
        for i in range(count)
    ]


def written(folder: Path, rows: list[dict[str, object]], lines: bool) -> Path:
    """As JSON lines, or as an array on one line."""
    path = folder / ("rows.jsonl" if lines else "rows.json")
    texts = [json.dumps(row) for row in rows]
    path.write_text("\n".join(texts) if lines else f"[{', '.join(texts)}]", encoding="utf-8")
    return path


def both(folder: Path, recipe: Recipe, rows: list[dict[str, object]]) -> list[Splits]:
    return [load_splits(recipe, written(folder, rows, lines)) for lines in (True, False)]


def test_intervals_and_counts_of_an_array_on_one_line_are_those_of_lines(tmp_path: Path) -> None:
    recipe = Recipe.load("behavior")
    lines, array = both(tmp_path, recipe, moods())
    assert {e.line for e in array.test} == {1}
    assert (
        list(intervals.units_of(array.test))
        == list(intervals.units_of(lines.test))
        == [*range(len(array.test))]
    )
    right = np.arange(len(array.test)) % 4 > 0
    widths = []
    for splits in (lines, array):
        units = intervals.units_of(splits.test)
        mean = intervals.ratio(right, np.ones(len(right)), units)
        found = intervals.interval(intervals.resample({"mean": mean}, int(units.max()) + 1)["mean"])
        widths.append(found["high"] - found["low"])
    assert widths[0] == widths[1] > 0.1
    assert profile(array, recipe).rows == profile(lines, recipe).rows


def test_what_travels_counts_rows_and_not_lines(tmp_path: Path) -> None:
    recipe = Recipe.load("behavior", blend=True)
    lines, array = (learn(splits, recipe) for splits in both(tmp_path, recipe, moods()))
    for one, other in zip(lines, array, strict=True):
        assert one.bias == other.bias and (one.table == other.table).all()


def test_groups_of_an_array_on_one_line_are_ranked(tmp_path: Path) -> None:
    rows = [
        {
            "user": f"u {i // 4}",
            "ad": f"ad {i % 4}",
            "group": f"g {i // 4}",
            "clicked": int(i % 4 == i // 4 % 4),
        }
        for i in range(240)
    ]
    ranked = []
    for splits in both(tmp_path, Recipe.load("recommendation"), rows):
        scores = np.array([(sum(map(ord, e.text)) % 97) / 100 for e in splits.test])
        ranked.append(recommendation.metrics(splits.test, np.stack([1 - scores, scores], axis=1)))
    assert ranked[0] == ranked[1] and ranked[1]["ndcg@3"] == ranked[1]["ndcg@3"] > 0


def test_halves_of_counts_in_an_array_on_one_line_are_one_row(tmp_path: Path) -> None:
    rows = [{"user": f"u {i}", "ad": f"ad {i % 7}", "impressions": 9, "clicks": 1 + i % 5} for i in range(60)]
    recipe = Recipe.load("recommendation")
    lines, array = both(tmp_path, recipe, rows)
    units = intervals.units_of(array.test)
    assert list(units) == list(intervals.units_of(lines.test)) == [i // 2 for i in range(len(array.test))]
    assert profile(array, recipe).rows == profile(lines, recipe).rows


def test_a_file_that_is_given_twice_has_twice_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path, moods(), lines=True)
    splits = load_splits(Recipe.load("behavior"), [path, path])
    assert len(set(intervals.units_of(splits.test))) == len(splits.test)


def test_bad_rows_of_an_array_on_one_line_are_counted_each(tmp_path: Path) -> None:
    rows = moods()
    for row in rows[:100]:
        row["label"] = ""
    recipe = Recipe.load("behavior", **{"data.skip_bad_rows": 0.1})
    for lines in (True, False):
        with pytest.raises(DataError):
            load_splits(recipe, written(tmp_path, rows, lines))


def test_a_row_that_was_read_from_no_data_is_told_by_its_file_and_line() -> None:
    one, other = Example("t", 1, 0, file="a"), Example("t", 1, 1, file="b")
    assert one.origin != other.origin and one.origin == Example("u", 1, 1, file="a").origin
