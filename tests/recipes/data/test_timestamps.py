"""Timestamps of one file are of one unit."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.data.load import check, load_splits
from recipes.errors import DataError
from recipes.recipe import Recipe

NOW = 1_760_000_000


def moods(path: Path, moment: Callable[[int], object]) -> Path:
    rows = [f"text {i},{('calm', 'glad')[i % 2]},{moment(i)}" for i in range(60)]
    path.write_text("\n".join(["text,label,timestamp", *rows]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("factor", "unit"), [(10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")]
)
def test_seconds_beside_smaller_units_are_a_problem(tmp_path: Path, factor: int, unit: str) -> None:
    path = moods(tmp_path / "a.csv", lambda i: (NOW + i) * (factor if i in (7, 30) else 1))
    for read in (load_splits, check):
        with pytest.raises(DataError) as caught:
            read(Recipe.load("behavior"), path)
        [problem] = caught.value.problems
        assert (problem.line, problem.message) == (9, f"2 timestamps are in {unit}, 58 in seconds")
        assert problem.fix == "Write all of them in seconds"


def test_files_that_are_read_as_one_have_one_unit(tmp_path: Path) -> None:
    seconds = moods(tmp_path / "a.csv", lambda i: NOW + i)
    thousandths = moods(tmp_path / "b.csv", lambda i: 1000 * (NOW + i))
    with pytest.raises(DataError, match=r"are in milliseconds, 60 in seconds|are in seconds, 60 in milli"):
        check(Recipe.load("behavior"), seconds, test=thousandths)


@pytest.mark.parametrize("step", [1, 10**7, 10**10])
def test_a_counter_that_grows_past_a_unit_is_no_problem(tmp_path: Path, step: int) -> None:
    assert check(Recipe.load("behavior"), moods(tmp_path / "a.csv", lambda i: (i + 1) * step)).rows == 60


@pytest.mark.parametrize(
    ("odd", "unit"),
    [
        (46_000.5, "days as Excel counts them"),
        (20_260_131, "dates such as 20260131"),
        (0, "small numbers"),
        (12, "small numbers"),
    ],
)
def test_seconds_beside_days_or_written_dates_are_a_problem(tmp_path: Path, odd: float, unit: str) -> None:
    path = moods(tmp_path / "a.csv", lambda i: odd if i in (7, 30) else NOW + i)
    with pytest.raises(DataError) as caught:
        check(Recipe.load("behavior"), path)
    [problem] = caught.value.problems
    assert (problem.line, problem.message) == (9, f"2 timestamps are in {unit}, 58 in seconds")


def test_days_beside_written_dates_are_a_problem_and_numbers_that_grow_are_none(tmp_path: Path) -> None:
    days = moods(tmp_path / "a.csv", lambda i: 46_000 + i if i % 2 else 20_260_131)
    with pytest.raises(DataError, match="as Excel counts them"):
        check(Recipe.load("behavior"), days)
    assert check(Recipe.load("behavior"), moods(tmp_path / "b.csv", lambda i: i * i * i * 20)).rows == 60
    assert check(Recipe.load("behavior"), moods(tmp_path / "c.csv", lambda i: 2 ** (i / 2))).rows == 60
