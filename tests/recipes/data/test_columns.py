"""Which column is which role, and what a column that is none is told: one cause is one problem, and its fix holds."""

import csv
import json
import shlex
from decimal import Decimal
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from pyarrow import parquet

from recipes.data.load import check, load_splits
from recipes.errors import DataError
from recipes.recipe import Recipe


def faults(path: Path, recipe: str, **overrides: object) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_splits(Recipe.load(recipe, **overrides), path)
    return [str(problem) for problem in caught.value.problems]


def shares(count: int) -> str:
    rows = [f'u{number},shoes {number},"{1000 + number:,}",{number / 9973:.4f}' for number in range(1, count)]
    return "\n".join(["user,ad,shown,CTR", *rows, ""])


def test_a_share_of_clicks_for_an_outcome_is_one_problem_and_its_fix_holds(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    path.write_text(shares(300))
    [problem] = faults(path, "recommendation", **{"data.columns.clicked": "CTR"})
    assert "`CTR` holds 299 different numbers such as 0.0001" in problem
    assert "--column impressions=shown --column ctr=CTR" in problem.replace("NAME", "shown")
    recipe = Recipe.load("recommendation", **{"data.columns.impressions": "shown", "data.columns.ctr": "CTR"})
    splits = load_splits(recipe, path)
    rows = [example for part in (splits.train, splits.validation, splits.test) for example in part]
    shown = {example.fields["user"]: 0.0 for example in rows}
    clicked = dict(shown)
    for example in rows:
        shown[example.fields["user"]] += example.weight
        clicked[example.fields["user"]] += example.weight * (example.label == 1)
    assert shown["u200"] == 1200 and clicked["u200"] == round(200 / 9973 * 1200)


@pytest.mark.parametrize("ctr", ["n/a", "-0.1", "101%"])
def test_a_share_that_is_none_is_reported(tmp_path: Path, ctr: str) -> None:
    path = tmp_path / "ads.csv"
    path.write_text("user,ad,impressions,ctr\n" + f"u,a,100,{ctr}\n" * 12)
    told = faults(path, "recommendation", **{"data.columns.ctr": "ctr"})
    assert len(told) == 12 and "expected a share from 0 to 1" in told[0]


def test_a_column_called_ctr_beside_clicks_stays_a_feature(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    path.write_text(
        "user,ad,impressions,clicks,ctr\n" + "".join(f"u{n},a{n},100,{n},0.{n}\n" for n in range(10, 60))
    )
    recipe = Recipe.load("recommendation", **{"data.features": "all"})
    assert load_splits(recipe, path).train[0].fields.keys() == {"user", "ad", "ctr"}


def test_counts_are_read_as_clients_write_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "user,ad,impressions,clicks\n" + "".join(f'u{n},a{n},"1,250",120.00\n' for n in range(50))
    )
    train = load_splits(Recipe.load("recommendation"), path).train
    assert {(example.label, example.weight) for example in train} == {(1, 120.0), (0, 1130.0)}
    table = pa.table(
        {
            "user": [f"u{number}" for number in range(50)],
            "ad": ["shoes"] * 50,
            "clicked": pa.array([Decimal(number % 2) for number in range(50)], pa.decimal128(5, 2)),
            "weight": pa.array([Decimal("120.00")] * 50, pa.decimal128(7, 2)),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    for data in (tmp_path / "a.parquet", datasets.Dataset(table)):
        assert {e.label for e in load_splits(Recipe.load("recommendation"), data).train} == {0, 1}
    path.write_text("user,ad,impressions,clicks\n" + "".join(f"u{n},a{n},1.250,1\n" for n in range(50)))
    assert "expected a whole number" in faults(path, "recommendation")[0]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_file_without_a_header_is_one_problem_and_its_fix_holds(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    separator = "\t" if suffix == ".tsv" else ","
    path.write_text("".join(f"text {number}{separator}{number % 2}\n" for number in range(60)))
    [problem] = faults(path, "behavior")
    assert "line 1: the first line looks like a row, not like a header" in problem
    assert "--columns c1,c2" in problem
    splits = load_splits(Recipe.load("behavior", **{"data.format.columns": ["text", "label"]}), path)
    assert splits.files[0].rows == 60 and splits.labels == ("0", "1")


def test_a_first_row_whose_cells_are_equal_is_no_header_either(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{number % 2},7,7,text {number}\n" for number in range(60)))
    [problem] = faults(path, "recommendation")
    assert "looks like a row" in problem


def test_columns_called_by_numbers_are_columns_where_the_recipe_names_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2\n" + "".join(f"text {number},{number % 2}\n" for number in range(60)))
    recipe = Recipe.load("behavior", **{"data.columns.text": "1", "data.columns.label": "2"})
    assert load_splits(recipe, path).files[0].rows == 60


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
@pytest.mark.parametrize("counts", [["30.000", "31.000"], ["1.250", "900"], ["12", "1.234.567"]])
def test_counts_with_points_are_asked_about_and_not_guessed(
    tmp_path: Path, counts: list[str], ending: str
) -> None:
    rows = [
        {"user": f"user {n}", "ad": "mug", "impressions": counts[n % 2], "clicks": "1"} for n in range(60)
    ]
    path = tmp_path / f"a{ending}"
    if ending == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError) as caught:
        load_splits(Recipe.load("recommendation"), path)
    (problem,) = caught.value.problems
    assert problem.column == "impressions" and "this may be in thousands or have decimals" in str(problem)
    if ending == ".csv":  # the advice, followed
        splits = load_splits(Recipe.load("recommendation", **{"data.format.decimal": "comma"}), path)
        shown = sum(example.weight for example in (*splits.train, *splits.validation, *splits.test))
        assert shown == 30 * sum(int(count.replace(".", "")) for count in counts)


def test_counts_that_are_numbers_with_decimals_are_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    columns = {"user": [f"user {n}" for n in range(60)], "ad": ["mug"] * 60}
    counts = {"impressions": [Decimal("120.000")] * 60, "clicks": [1.0] * 60}
    parquet.write_table(pa.table({**columns, **counts}), path)
    assert load_splits(Recipe.load("recommendation"), path).train


@pytest.mark.parametrize("name", ["\ufefftext", "te\u200bxt", "\u200ftext", "te\u00adxt\u200e"])
def test_a_column_is_found_by_what_is_seen_of_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"x,{name},label\n" + "".join(f"x,text {at},{'ab'[at % 2]}\n" for at in range(12)))
    assert check(Recipe.load("behavior"), path).rows == 12


def test_a_name_in_another_form_of_unicode_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "Gefu\u0308hl,text,label\n" + "".join(f"{'ab'[at % 2]},text {at},x\n" for at in range(12))
    )
    recipe = Recipe.load("behavior", **{"data.columns": {"label": "Gef\u00fchl"}})
    assert load_splits(recipe, path).labels == ("a", "b")


def test_two_names_that_look_alike_are_not_confused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("te\u200bxt,\u200ftext,label\n" + "x,text,a\n" * 12)
    with pytest.raises(DataError, match="no column `text`"):
        check(Recipe.load("behavior"), path)


@pytest.mark.parametrize("name", ["what's said", '"text"', "user: text", "*text", "my $text"])
def test_advice_holds_in_a_shell_whatever_a_column_is_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(json.dumps({name: f"text {at}", "label": "ab"[at % 2]}) + "\n" for at in range(12))
    )
    with pytest.raises(DataError) as caught:
        check(Recipe.load("behavior"), path)
    [problem] = caught.value.problems
    if "=NAME" not in problem.fix:
        _, option = shlex.split(problem.fix.partition("so: ")[2].partition(" (in the recipe")[0])
        assert option == f"text={name}"


def test_a_file_of_ads_alone_is_told_how_to_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ad,impressions,clicks\n" + "".join(f"tea {at},100,{at}\n" for at in range(12)))
    with pytest.raises(DataError, match="let `ad` be read alone: --column ad=ad"):
        check(Recipe.load("recommendation"), path)
    assert check(Recipe.load("recommendation", **{"data.columns": {"ad": "ad"}}), path).rows == 12


def test_values_that_differ_are_told_as_one_fault_of_their_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    dates = [f"text {at},{'ab'[at % 2]},{at + 1:02}/01/2026" for at in range(30)]
    path.write_text("\n".join(["text,label,timestamp", *dates]))
    with pytest.raises(DataError) as caught:
        check(Recipe.load("behavior"), path)
    assert len(caught.value.problems) == 30
    count, *told = str(caught.value).splitlines()
    assert count.startswith("30 problems")
    assert [line.partition(";")[0] for line in told] == [
        f"- {path}, line 2 (and 29 more like it): `timestamp` is '01/01/2026'"
    ]
