"""From client files to examples: mapping, every problem at once with its place and its fix, and honest splits."""

import csv
import gc
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from recipes.data import rendering
from recipes.data.lengths import check_lengths
from recipes.data.load import check, load_splits
from recipes.errors import SHOWN, DataError, Problem, RecipeError
from recipes.examples import Example, Splits
from recipes.recipe import Recipe
from recipes.tasks import recommendation
from recipes.tasks.history import derived

CLICKS = [{"user": f"user {i}", "ad": f"ad {i % 7}", "clicked": int(i % 3 == 0)} for i in range(60)]
MOODS = [{"text": f"text {i}", "label": ["calm", "glad", "sad"][i % 3]} for i in range(60)]
COPIES = [{"name": f"mug {i}", "color": "red", "copy": f"Buy mug {i}!"} for i in range(30)]


def write(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    return path


def changed(records: Sequence[Mapping[str, Any]], **cells: Mapping[int, Any]) -> list[dict[str, Any]]:
    """The records with some cells replaced: column={row: value}. Row 0 stands in line 2 of its file."""
    result = [dict(record) for record in records]
    for column, values in cells.items():
        for row, value in values.items():
            result[row][column] = value
    return result


def everything(splits: Splits) -> list[Example]:
    return sorted((*splits.train, *splits.validation, *splits.test), key=lambda example: example.line)


def problems(recipe: Recipe, *data: Any, **more: Any) -> list[Problem]:
    with pytest.raises(DataError) as caught:
        load_splits(recipe, *data, **more)
    return list(caught.value.problems)


def told(found: Iterable[Problem]) -> str:
    return "\n".join(str(problem) for problem in found)


# --- what a good file becomes -------------------------------------------------------------------------------------


def test_recommendation_reads_user_ad_and_clicked(tmp_path: Path) -> None:
    path = write(tmp_path / "clicks.csv", CLICKS)
    splits = load_splits(Recipe.load("recommendation"), path)
    assert splits.labels == ("not clicked", "clicked")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [42, 6, 12]
    first = everything(splits)[0]
    assert (first.text, first.label, first.line) == ("User: user 0\nAd: ad 0", 1, 2)
    assert first.fields == {"user": "user 0", "ad": "ad 0"}
    raw = path.read_bytes()
    assert splits.digest == hashlib.sha256(raw).hexdigest() == splits.files[0].sha256
    assert (splits.files[0].name, splits.files[0].bytes, splits.files[0].rows) == ("clicks.csv", len(raw), 60)
    assert splits.notes == ()


def test_columns_and_label_values_are_mapped_so_that_no_file_needs_rewriting(tmp_path: Path) -> None:
    records = [
        {"instruction": "Answer.", "input": f"row {i}", "output": "Yes." if i % 2 else "No."}
        for i in range(40)
    ]
    path = tmp_path / "movies.json"
    path.write_text(json.dumps(records, indent=1), encoding="utf-8")
    changes = {
        "data.columns.text": "input",
        "data.columns.clicked": "output",
        "data.labels.Yes.": 1,
        "data.labels.No.": 0,
    }
    splits = load_splits(Recipe.load("recommendation", **changes), path)
    assert [(e.text, e.label) for e in everything(splits)[:2]] == [("row 0", 0), ("row 1", 1)]
    assert [e.line for e in everything(splits)[:2]] == [2, 7]
    assert splits.notes == ("movies.json: columns not used: instruction",)


def test_impressions_and_clicks_become_two_weighted_rows_that_stay_together(tmp_path: Path) -> None:
    records = [
        {"text": f"headline {i}", "impressions": 100 + i, "clicks": i % 5, "group": f"test {i // 4}"}
        for i in range(80)
    ]
    records.append({"text": "never shown", "impressions": 0, "clicks": 0, "group": "test 0"})
    splits = load_splits(Recipe.load("recommendation"), write(tmp_path / "a.csv", records))
    by_line: dict[int, list[tuple[int, float]]] = {}
    for example in everything(splits):
        by_line.setdefault(example.line, []).append((example.label, example.weight))  # type: ignore[arg-type]
    assert by_line[2] == [(0, 100.0)]
    assert by_line[3] == [(1, 1.0), (0, 100.0)]
    sides = [{e.group for e in part} for part in (splits.train, splits.validation, splits.test)]
    assert sum(len(side) for side in sides) == 20
    assert splits.notes == ("a.csv: 1 rows with 0 impressions say nothing and are left out",)


def test_counts_are_multiplied_by_a_weight_column(tmp_path: Path) -> None:
    records = [{"text": f"h {i}", "impressions": 10, "clicks": 4, "weight": 0.5} for i in range(40)]
    splits = load_splits(Recipe.load("recommendation"), write(tmp_path / "a.csv", records))
    assert {(e.label, e.weight) for e in everything(splits)} == {(1, 2.0), (0, 3.0)}


def test_a_named_ad_alone_is_enough_and_features_alone_are_too(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        [{"headline": f"h {i}", "page": i, "empty": "", "clicked": i % 2} for i in range(40)],
    )
    alone = load_splits(Recipe.load("recommendation", **{"data.columns.ad": "headline"}), path)
    assert everything(alone)[0].text == "Ad: h 0"
    every = load_splits(Recipe.load("recommendation", **{"data.features": "all"}), path)
    assert everything(every)[0].text == "headline: h 0\npage: 0"


def test_features_stand_below_the_text_and_a_template_may_place_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [{**row, "season": "autumn", "price": 5} for row in CLICKS])
    below = load_splits(Recipe.load("recommendation", **{"data.features": ["price", "season"]}), path)
    assert everything(below)[0].text == "User: user 0\nAd: ad 0\nprice: 5\nseason: autumn"
    changes = {"data.features": ["price", "season"], "data.prompt": "{ad} in {season} {{for}} {user}"}
    placed = load_splits(Recipe.load("recommendation", **changes), path)
    assert everything(placed)[0].text == "ad 0 in autumn {for} user 0\nprice: 5"


def test_histories_inside_the_text_give_the_liked_share_and_the_target(tmp_path: Path) -> None:
    def text(i: int) -> str:
        liked = ", ".join(f'"L{n}"' for n in range(i % 4))
        return f'User Preference: {liked}\nUser Unpreference: "D{i}"\nWill the user like "T{i}"?'

    path = write(tmp_path / "a.csv", [{"text": text(i), "clicked": i % 2} for i in range(40)])
    history = {
        "liked": "User Preference: (.*)",
        "disliked": "User Unpreference: (.*)",
        "target": 'like "([^"]+)"',
    }
    recipe = Recipe.load("recommendation", **{"data.history": history, "data.features": ["liked_share"]})
    examples = everything(load_splits(recipe, path))
    assert [e.fields["liked_share"] for e in examples[:4]] == ["33%", "50%", "60%", "67%"]
    assert [e.fields["liked_tally"].split().count("liked") for e in examples[:4]] == [3, 5, 6, 7]
    assert examples[0].fields["liked_tally"] == "liked " * 3 + "disliked " * 6 + "disliked"
    placed = Recipe.load("recommendation", **{"data.history": history, "data.prompt": "{ad}: {liked_tally}"})
    assert (
        everything(load_splits(placed, path))[3].text == "T3: " + "liked " * 7 + "disliked disliked disliked"
    )
    assert examples[3].text.endswith('like "T3"?\nliked_share: 67%')
    assert examples[3].fields["ad"] == "T3"
    wrong = Recipe.load("recommendation", **{"data.history": {**history, "liked": "Likes: (.*)"}})
    [problem] = problems(wrong, path)
    assert "data.history.liked (Likes: (.*)) matches no row" in problem.message


def test_labels_are_renamed_and_ordered_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    recipe = Recipe.load("behavior", **{"data.labels": {"sad": "angry"}})
    splits = load_splits(recipe, write(tmp_path / "a.csv", MOODS[::-1]))
    assert splits.labels == ("angry", "calm", "glad")
    stars = [{"text": f"t {i}", "label": [10, 9, 2][i % 3]} for i in range(30)]
    assert load_splits(Recipe.load("behavior"), write(tmp_path / "b.csv", stars)).labels == ("2", "9", "10")


def test_a_row_may_have_several_labels_in_a_cell_or_in_a_list(tmp_path: Path) -> None:
    recipe = Recipe.load("behavior", **{"data.separator": "|"})
    cells = [{"text": f"t {i}", "label": ["a|b", "c", "b | c"][i % 3]} for i in range(30)]
    splits = load_splits(recipe, write(tmp_path / "a.csv", cells))
    assert splits.multi_label and splits.labels == ("a", "b", "c")
    assert [e.label for e in everything(splits)[:3]] == [(0, 1), (2,), (1, 2)]
    path = tmp_path / "a.jsonl"
    path.write_text(
        "\n".join(json.dumps({"text": f"t {i}", "label": ["a", "b"][: i % 2 + 1]}) for i in range(30))
    )
    assert {e.label for e in everything(load_splits(recipe, path))} == {(0,), (0, 1)}
    [problem, *_] = problems(Recipe.load("behavior"), path)
    assert (problem.message, problem.line, problem.value) == ("a list of labels", 1, "a")
    assert "data.separator" in problem.fix


def test_a_product_is_one_text_or_all_columns_as_lines(tmp_path: Path) -> None:
    rows = changed(COPIES, color={1: ""})
    examples = everything(load_splits(Recipe.load("ad-copy"), write(tmp_path / "a.csv", rows)))
    assert [(e.text, e.copy, e.label) for e in examples[:2]] == [
        ("name: mug 0\ncolor: red", "Buy mug 0!", None),
        ("name: mug 1", "Buy mug 1!", None),
    ]
    recipe = Recipe.load("ad-copy", **{"data.columns": {"product": "name"}, "data.features": ["color"]})
    assert everything(load_splits(recipe, write(tmp_path / "a.csv", rows)))[0].text == "mug 0\ncolor: red"


def test_a_product_in_brackets_is_read_as_lines_where_the_recipe_says_so(tmp_path: Path) -> None:
    rows = [
        {"product": f"name[mug {i}], color[red]", "size": "L", "copy": f"Buy mug {i}!"} for i in range(20)
    ]
    path = write(tmp_path / "a.csv", rows)
    told = {"data.features": ["size"]}
    examples = everything(load_splits(Recipe.load("ad-copy", **told), path))
    assert examples[0].text == "name: mug 0\ncolor: red\nsize: L", "the presets say so"
    as_given = Recipe.load("ad-copy", **told, **{"data.lines": False})
    assert everything(load_splits(as_given, path))[0].text == "name[mug 0], color[red]\nsize: L"


def test_several_references_of_one_product_stay_in_one_split(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [{"product": f"p {i // 5}", "copy": f"c {i}"} for i in range(200)])
    splits = load_splits(Recipe.load("ad-copy"), path)
    products = [{e.text for e in part} for part in (splits.train, splits.validation, splits.test)]
    assert [len(part) for part in products] == [28, 4, 8]
    assert len(set.union(*products)) == 40


def test_a_user_id_keeps_a_user_in_one_split_and_names_the_ranking_group(tmp_path: Path) -> None:
    rows = [{**row, "user": f"u {i}", "user_id": i // 6} for i, row in enumerate(CLICKS)]
    splits = load_splits(Recipe.load("recommendation"), write(tmp_path / "a.csv", rows))
    users = [{e.group for e in part} for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, users)) == 10
    assert everything(splits)[0].text == "User: u 0\nAd: ad 0"


def test_what_user_says_keeps_a_user_in_one_split(tmp_path: Path) -> None:
    rows = [{**row, "user": f"bought thing {i // 3}"} for i, row in enumerate(CLICKS)]
    splits = load_splits(Recipe.load("recommendation"), write(tmp_path / "a.csv", rows))
    users = [{e.fields["user"] for e in part} for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, users)) == 20
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [42, 6, 12]
    assert {e.group for e in everything(splits)} == {None}, "only an id or a group is ranked within"


def test_a_segment_is_no_user_and_is_split_by_text(tmp_path: Path) -> None:
    rows = [{**row, "user": "new" if i % 2 else f"user {i}", "ad": f"ad {i}"} for i, row in enumerate(CLICKS)]
    splits = load_splits(Recipe.load("recommendation"), write(tmp_path / "a.csv", rows))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [42, 6, 12]
    assert all("new" in {e.fields["user"] for e in part} for part in (splits.train, splits.test))
    [note] = splits.notes
    assert note.startswith(
        "1 values of `user` stand in more rows than a split has (the commonest in 30: 'new')"
    )


def test_a_share_of_the_training_rows_without_a_click_is_kept_and_said(tmp_path: Path) -> None:
    rows = [{"user": f"u {i}", "ad": f"a {i}", "clicked": int(i % 10 == 0)} for i in range(1000)]
    path = write(tmp_path / "a.csv", rows)
    every = load_splits(Recipe.load("recommendation"), path)
    fewer = load_splits(Recipe.load("recommendation", **{"data.negative_share": 0.25}), path)
    assert (fewer.validation, fewer.test) == (every.validation, every.test)
    positives = [e for e in every.train if e.label]
    assert [e for e in fewer.train if e.label] == positives
    negatives = len(every.train) - len(positives)
    assert len(fewer.train) - len(positives) == round(negatives / 4)
    assert {e.weight for e in fewer.train} == {1.0}
    assert (every.negative_share, fewer.negative_share) == (1.0, pytest.approx(0.25, abs=0.001))
    assert f"{negatives - round(negatives / 4)} of 700 training rows, none of them clicked" in fewer.notes[0]


def test_rows_of_counts_are_not_sampled(tmp_path: Path) -> None:
    rows = [{"text": f"t {i}", "impressions": 100, "clicks": i % 3} for i in range(60)]
    recipe = Recipe.load("recommendation", **{"data.negative_share": 0.5})
    [problem] = problems(recipe, write(tmp_path / "a.csv", rows))
    assert problem.message == "rows of impressions and clicks cannot be sampled"


def test_reading_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", changed(CLICKS, clicked={0: "maybe"}))
    problems(Recipe.load("recommendation"), path)
    assert gc.isenabled()
    gc.disable()
    try:
        problems(Recipe.load("recommendation"), path)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_with_timestamps_the_past_trains_and_the_future_tests(tmp_path: Path) -> None:
    days = [f"2026-{1 + i // 28:02d}-{1 + i % 28:02d}T12:00:00+0{i % 3}:00" for i in range(60)]
    rows = [{**row, "timestamp": day} for row, day in zip(CLICKS, days, strict=True)]
    splits = load_splits(Recipe.load("recommendation"), write(tmp_path / "a.csv", rows[::-1]))
    by_day = {f"user {i}": i for i in range(60)}
    order = [
        [by_day[e.fields["user"]] for e in part] for part in (splits.train, splits.validation, splits.test)
    ]
    assert max(order[0]) < min(order[1]) and max(order[1]) < min(order[2])


def test_files_of_their_own_are_used_as_they_are(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{i}.csv", [{**row, "user": f"{i} {n}"} for n, row in enumerate(CLICKS)])
        for i in range(3)
    ]
    splits = load_splits(Recipe.load("recommendation"), paths[0], paths[1], paths[2])
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [60, 60, 60]
    assert splits.digest == hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    splits = load_splits(Recipe.load("recommendation"), paths[:2], test=paths[2])
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [108, 12, 60]


def test_a_limit_per_label_trains_on_the_first_rows_of_the_file(tmp_path: Path) -> None:
    splits = load_splits(
        Recipe.load("behavior", **{"data.limit_per_label": 3}), write(tmp_path / "a.csv", MOODS)
    )
    assert [e.line for e in splits.train] == list(range(2, 11))
    assert (len(splits.validation), len(splits.test)) == (6, 12)
    assert splits.notes == ("trained on 9 of 42 rows: the first 3 of each label (data.limit_per_label)",)


def test_a_data_set_in_memory_is_read_like_a_file() -> None:
    from datasets import Dataset

    splits = load_splits(Recipe.load("behavior"), Dataset.from_list(MOODS))
    assert [e.line for e in everything(splits)] == list(range(1, 61))


def test_what_a_reader_of_the_metrics_should_know_is_noted(tmp_path: Path) -> None:
    rows = [*MOODS, {"text": "text 0", "label": "sad"}, {"text": "text 1", "label": "rare"}]
    recipe = Recipe.load("behavior", **{"data.labels": {"merry": "glad", "upset": "cross"}})
    notes = load_splits(recipe, write(tmp_path / "a.csv", rows)).notes
    assert (
        "2 texts have different labels in different rows, for example a.csv line 2 and a.csv line 62" in notes
    )
    assert "data.labels names values that never occur: upset" in notes


# --- what is wrong with a bad one ---------------------------------------------------------------------------------


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    rows = changed(CLICKS, clicked={5: "maybe", 7: "", 9: "maybe"}, ad={11: " "}, user={12: ""})
    other = write(tmp_path / "test.csv", changed(CLICKS[:2], clicked={1: 2}))
    found = problems(Recipe.load("recommendation"), write(tmp_path / "clicks.csv", rows), test=other)
    assert [(Path(p.file).name, p.line, p.column, p.value) for p in found] == [
        ("clicks.csv", 7, "clicked", "maybe"),
        ("clicks.csv", 9, "clicked", None),
        ("clicks.csv", 11, "clicked", "maybe"),
        ("clicks.csv", 13, "ad", None),
        ("clicks.csv", 14, "user", None),
        ("test.csv", 3, "clicked", "2"),
        ("test.csv", 2, None, None),
    ]
    text = str(DataError(found))
    assert "clicks.csv, line 7 (and 1 more like it): `clicked` is 'maybe'; expected 0 or 1." in text
    assert "Write 0 or 1, or say what it means: --label 1=maybe or --label 0=maybe" in text
    assert text.startswith("7 problems in the data; nothing was done with it.\n- ")


def test_a_check_tells_the_same_of_each_row_and_counts_them(tmp_path: Path) -> None:
    recipe = Recipe.load("recommendation")
    good = write(tmp_path / "a.csv", CLICKS)
    assert check(recipe, good).rows == 60
    assert check(recipe, [good], test=good).rows == 120, "texts in two files are found by load_splits"
    bad = write(tmp_path / "b.csv", changed(CLICKS, clicked={5: "maybe"}, ad={11: " "}))
    with pytest.raises(DataError) as caught:
        check(recipe, bad)
    assert list(caught.value.problems) == problems(recipe, bad)


PEAKS = """
import sys, tracemalloc
from recipes import Recipe
from recipes.data.load import check
for path in sys.argv[1:]:
    tracemalloc.start()
    check(Recipe.load("recommendation"), path)
    print(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
"""


def test_a_check_holds_no_rows(tmp_path: Path) -> None:
    few, many = (
        write(tmp_path / f"{n}.csv", [{**CLICKS[i % 60], "user": f"user {i} {'x' * 200}"} for i in range(n)])
        for n in (2_000, 20_000)
    )
    # In a process of its own. The first check imports, fills caches and lets Python's table of interned strings grow.
    command = [sys.executable, "-c", PEAKS, str(many), str(few), str(many)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    peaks = list(map(int, told.stdout.split()))
    assert peaks[2] < many.stat().st_size, "less than the file"
    assert peaks[2] < peaks[1] + 2**21


def test_a_long_list_of_problems_is_cut_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", changed(CLICKS, clicked={i: f"odd {i}" for i in range(40)}))
    with pytest.raises(DataError) as caught:
        load_splits(Recipe.load("recommendation"), path)
    assert len(caught.value.problems) == 40
    lines = str(caught.value).splitlines()
    assert len(lines) == SHOWN + 2
    assert lines[-1] == "- and 20 more; mend these first and run it again."


def test_a_missing_column_names_what_it_could_be(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [{"User": "u", "item": "a", "Click": 1}] * 3)
    found = problems(Recipe.load("recommendation"), path)
    assert [p.line for p in found] == [1, 1]
    assert found[0].message == (
        "no columns `user` and `ad`, and no ready `text`; its columns are `User`, `item`, `Click`"
    )
    assert "--column user=User --column ad=item" in found[0].fix and "data.features=all" in found[0].fix
    assert found[1].fix.startswith("If `Click` is the one, say so: --column clicked=Click (")
    half = Recipe.load("recommendation", **{"data.columns": {"user": "User", "clicked": "clickd"}})
    assert [p.message.split(";")[0] for p in problems(half, path)] == ["no column `clickd`"]
    named = Recipe.load("recommendation", **{"data.columns.clicked": "Click", "data.features": ["itm"]})
    assert "no column `itm`. Did you mean `item`?" in told(problems(named, path))


def test_a_ready_text_is_suggested_where_there_is_one_and_long_lists_are_cut(tmp_path: Path) -> None:
    row = {"input": "a", "output": "b", **{f"c{i}": i for i in range(20)}}
    found = problems(Recipe.load("recommendation"), write(tmp_path / "a.csv", [row] * 3))
    assert "--column text=input" in found[0].fix and "--column clicked=output" in found[1].fix
    assert "`c9` and 10 more" in found[0].message


def test_half_of_the_counts_is_a_missing_column(tmp_path: Path) -> None:
    [problem] = problems(
        Recipe.load("recommendation"), write(tmp_path / "a.csv", [{"text": "a", "clicks": 1}] * 20)
    )
    assert "no column `impressions`" in problem.message


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("impressions", "many", "expected a whole number of at least 0"),
        ("clicks", "-1", "expected a whole number of at least 0"),
        ("clicks", "11", "more clicks than impressions (10)"),
        ("weight", "0", "expected a number above 0"),
        ("weight", "nan", "expected a number above 0"),
        ("timestamp", "yesterday", "expected a date or a number"),
        ("group", "", "is empty"),
    ],
)
def test_numbers_dates_and_groups_are_checked(tmp_path: Path, column: str, value: str, expected: str) -> None:
    row = {"text": "a", "impressions": 10, "clicks": 1, "weight": 1, "timestamp": "2026-01-01", "group": "g"}
    rows = changed([{**row, "text": f"t {i}"} for i in range(20)], **{column: {3: value}})
    [problem] = problems(Recipe.load("recommendation"), write(tmp_path / "a.csv", rows))
    assert (problem.line, problem.column, problem.message) == (5, column, expected)
    assert problem.fix.endswith(("0", "digits, such as 1250", "count", "impression", "time", "row"))


def test_dates_and_numbers_cannot_be_ordered_together(tmp_path: Path) -> None:
    rows = [{**row, "timestamp": "2026-01-01" if i % 2 else str(i)} for i, row in enumerate(CLICKS)]
    [problem] = problems(Recipe.load("recommendation"), write(tmp_path / "a.csv", rows))
    assert problem.message == "some timestamps are dates, some are numbers"


@pytest.mark.parametrize("value", ["", "  ", None])
def test_empty_texts_labels_and_copies_are_refused(tmp_path: Path, value: str | None) -> None:
    found = problems(
        Recipe.load("behavior"), write(tmp_path / "a.csv", changed(MOODS, text={0: value}, label={1: value}))
    )
    assert [(p.line, p.column, p.message) for p in found] == [
        (2, "text", "is empty"),
        (3, "label", "is empty"),
    ]
    [problem] = problems(Recipe.load("ad-copy"), write(tmp_path / "b.csv", changed(COPIES, copy={4: value})))
    assert (problem.line, problem.column) == (6, "copy")


def test_a_row_without_any_feature_holds_no_text(tmp_path: Path) -> None:
    rows = changed([{"page": i, "clicked": i % 2} for i in range(30)], page={3: ""})
    [problem] = problems(
        Recipe.load("recommendation", **{"data.features": "all"}), write(tmp_path / "a.csv", rows)
    )
    assert (problem.line, problem.message) == (5, "the row holds no text at all")


def test_one_class_only_is_refused_with_what_to_do(tmp_path: Path) -> None:
    same = write(tmp_path / "a.csv", [{**row, "clicked": 0} for row in CLICKS])
    found = problems(Recipe.load("recommendation"), same)
    assert [p.message for p in found] == [
        "all 42 rows of the training split are 0 (not clicked)",
        "all 6 rows of the validation split are 0 (not clicked)",
        "all 12 rows of the test split are 0 (not clicked)",
    ]
    assert "Give rows of both kinds" in found[0].fix and "data.seed" in found[0].fix
    [problem] = problems(
        Recipe.load("behavior"), write(tmp_path / "b.csv", [{**row, "label": "glad"} for row in MOODS])
    )
    assert problem.message == "all 42 rows of the training split have one label, 'glad'"


def test_too_few_rows_and_splits_without_rows_are_refused(tmp_path: Path) -> None:
    [problem] = problems(Recipe.load("behavior"), write(tmp_path / "a.csv", MOODS[:5]))
    assert problem.message == "5 rows are too few"
    same = [{"text": "same", "label": i % 2} for i in range(20)]
    found = problems(Recipe.load("behavior"), write(tmp_path / "b.csv", same))
    assert len(found) == 2 and all("no row is left for the" in p.message for p in found)


def test_one_text_in_two_files_is_refused_kept_or_dropped(tmp_path: Path) -> None:
    data, test = (
        write(tmp_path / "a.csv", MOODS),
        write(tmp_path / "b.csv", [MOODS[4], {"text": "new", "label": "sad"}]),
    )
    [problem] = problems(Recipe.load("behavior"), data, test=test)
    assert (Path(problem.file).name, problem.line) == ("b.csv", 2)
    assert f"its text stands in the training file too ({data}, line 6)" in problem.message
    kept = load_splits(Recipe.load("behavior", **{"data.repeats": "keep"}), data, test=test)
    assert len(kept.train) + len(kept.validation) == 60
    assert any("1 of 2 test rows have a text that training rows have too" in note for note in kept.notes)
    dropped = load_splits(Recipe.load("behavior", **{"data.repeats": "drop"}), data, test=test)
    assert len(dropped.train) + len(dropped.validation) == 59
    assert "text 4" not in {e.text for e in (*dropped.train, *dropped.validation)}
    assert "1 training rows are left out: their texts stand in another split's file too" in dropped.notes


def test_a_label_that_only_the_test_file_has_cannot_be_learned(tmp_path: Path) -> None:
    test = write(tmp_path / "b.csv", [{"text": "new", "label": "gladd"}])
    [problem] = problems(Recipe.load("behavior"), write(tmp_path / "a.csv", MOODS), test=test)
    assert (problem.line, problem.column, problem.value) == (2, "label", "gladd")
    assert "cannot be learned" in problem.message and "Did you mean `glad`?" in problem.fix


def test_files_that_are_read_as_one_must_have_the_same_roles(tmp_path: Path) -> None:
    with_time = write(tmp_path / "a.csv", [{**row, "timestamp": i} for i, row in enumerate(CLICKS)])
    without = write(tmp_path / "b.csv", [{**row, "user": f"b {i}"} for i, row in enumerate(CLICKS)])
    [problem] = problems(Recipe.load("recommendation"), [with_time, without])
    assert "no column for `timestamp`, which" in problem.message


def test_roles_and_templates_that_the_task_does_not_have_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", CLICKS)
    with pytest.raises(RecipeError, match=r"recommendation has no role `clickd`. Did you mean `clicked`"):
        load_splits(Recipe.load("recommendation", **{"data.columns.clickd": "x"}), path)
    with pytest.raises(RecipeError, match=r"no row has `usr`. Did you mean `user`"):
        load_splits(Recipe.load("recommendation", **{"data.prompt": "{usr} {ad}"}), path)
    with pytest.raises(RecipeError, match=r"write \{\{ and \}\} for braces"):
        load_splits(Recipe.load("recommendation", **{"data.prompt": "{user"}), path)
    [problem] = problems(Recipe.load("recommendation", **{"data.prompt": "{user} {ad} {text}"}), path)
    assert "no column `text`" in problem.message


def test_a_long_product_is_cut_and_a_prompt_without_room_for_any_is_told_for_every_row(
    tmp_path: Path,
) -> None:
    rows = changed(
        [{"product": "mug", "copy": f"c {i}"} for i in range(20)], product={i: f"p {i}" for i in range(20)}
    )
    splits = load_splits(
        Recipe.load("ad-copy"), write(tmp_path / "a.csv", changed(rows, product={3: "long " * 50}))
    )

    def count(example: Example) -> tuple[int, int]:
        return len(example.text.split()), len((example.copy or "").split()) + 1

    lengths = check_lengths(splits, count, max_tokens=60)
    assert (lengths.longest, lengths.cut, lengths.rows) == (53, 0, 20)
    assert str(check_lengths(splits, count, max_tokens=51)).startswith(
        "1 of 20 rows have more than 51 tokens"
    )
    short = check_lengths(splits, count, max_tokens=50)
    assert (short.cut, short.products) == (1, 1) and "the products of 1 of them are cut" in str(short)
    with pytest.raises(DataError) as caught:
        check_lengths(splits, count, max_tokens=50, least=20)
    [problem] = caught.value.problems
    assert problem.line == 5
    assert "the prompt has 20 tokens of 50" in problem.message and "max_tokens above 56" in problem.fix


def test_a_text_without_tokens_is_told(tmp_path: Path) -> None:
    splits = load_splits(Recipe.load("behavior"), write(tmp_path / "a.csv", MOODS))
    with pytest.raises(DataError, match="the text has no token"):
        check_lengths(splits, lambda example: (0 if example.line == 9 else 3, 0), max_tokens=16)


def test_a_rows_history_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(fields: Mapping[str, str], history: Any) -> dict[str, str]:
        asked.append(fields["text"])
        return derived(fields, history)

    monkeypatch.setattr(rendering, "derived", counted)
    monkeypatch.setattr(recommendation, "derived", counted, raising=False)
    rows = [{"text": f'liked: "a" hated: "b" {i}', "clicked": i % 2} for i in range(40)]
    history = {"liked": "liked: (.*) hated", "disliked": "hated: (.*)"}
    recipe = Recipe.load("recommendation", **{"data.history": history})
    load_splits(recipe, write(tmp_path / "a.csv", rows))
    assert len(asked) == len(set(asked)) == 40
