"""Rows without labels: read as those with labels are, and never as what is measured."""

from pathlib import Path
from typing import Any

import pytest

from recipes import Recipe
from recipes.data import load_splits, with_unlabelled
from recipes.data import unlabelled as module
from recipes.errors import DataError, RecipeError
from recipes.examples import Splits
from tests.recipes.data.test_load import write


def loaded(recipe: Recipe, rows: Path, unlabelled: Any) -> Splits:
    return with_unlabelled(load_splits(recipe, rows), recipe, unlabelled)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = [
        {"text": f"ticket {n} is {'late' if n % 2 else 'good'}", "label": f"kind {n % 2}"} for n in range(40)
    ]
    return write(tmp_path / "rows.csv", rows)


def test_they_are_read_as_requests_are_and_only_what_is_new_is_kept(tmp_path: Path, labelled: Path) -> None:
    texts = ["new one, ask ann@example.com", "", "ticket 3 is late", "another", "another", "  another  "]
    more = write(tmp_path / "more.csv", [{"text": text, "note": "idle"} for text in texts])
    plain = load_splits(Recipe.load("behavior"), labelled)
    splits = loaded(Recipe.load("behavior"), labelled, more)
    assert [each.text for each in splits.unlabelled] == ["new one, ask <email>", "another"]
    assert {each.label for each in splits.unlabelled} == {None}
    assert (splits.train, splits.validation, splits.test) == (plain.train, plain.validation, plain.test)
    assert (
        splits.digest != plain.digest and splits.files[-1].name == "more.csv" and splits.files[-1].rows == 6
    )
    assert any(note.startswith("2 rows without labels follow") for note in splits.notes)
    assert any(note.startswith("4 of 6 rows without labels are left out") for note in splits.notes)
    assert plain.unlabelled == ()


def test_of_very_many_some_are_drawn_always_the_same(
    tmp_path: Path, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 5)
    more = write(tmp_path / "more.csv", [{"text": f"new {n}"} for n in range(30)])
    first, second = (loaded(Recipe.load("behavior"), labelled, [more]) for _ in range(2))
    assert len(first.unlabelled) == 5 and first.unlabelled == second.unlabelled
    assert any("5 of 30 rows without labels were drawn" in note for note in first.notes)


def test_columns_are_those_of_the_rows_with_labels(tmp_path: Path) -> None:
    rows = [{"said": f"ticket {n}", "shop": "north", "kind": f"kind {n % 2}"} for n in range(40)]
    recipe = Recipe.load(
        "behavior", **{"data.columns": {"text": "said", "label": "kind"}, "data.features": ["shop"]}
    )
    own = write(tmp_path / "rows.csv", rows)
    more = write(tmp_path / "more.csv", [{"said": "new", "shop": "south"}])
    (row,) = loaded(recipe, own, more).unlabelled
    assert "new" in row.text and "south" in row.text
    with pytest.raises(DataError, match="no column `shop`"):
        loaded(recipe, own, write(tmp_path / "less.csv", [{"said": "new"}]))


@pytest.mark.parametrize(
    ("preset", "changes", "told"),
    [
        ("recommendation", {"data.columns": {"clicked": "label"}}, "only behavior"),
        ("behavior", {"data.separator": "|"}, "only behavior"),
    ],
)
def test_other_tasks_and_several_labels_a_row_are_refused(
    tmp_path: Path, labelled: Path, preset: str, changes: dict[str, Any], told: str
) -> None:
    more = write(tmp_path / "more.csv", [{"text": "new"}])
    if preset == "recommendation":
        labelled = write(tmp_path / "clicks.csv", [{"text": f"ad {n}", "label": n % 2} for n in range(40)])
    with pytest.raises(RecipeError, match=told):
        loaded(Recipe.load(preset, **changes), labelled, more)


def test_a_file_of_nothing_new_is_a_problem(tmp_path: Path, labelled: Path) -> None:
    more = write(tmp_path / "more.csv", [{"text": "ticket 3 is late"}])
    with pytest.raises(DataError, match="no row has a text of its own"):
        loaded(Recipe.load("behavior"), labelled, more)
    with pytest.raises(DataError) as missing:
        loaded(Recipe.load("behavior"), labelled, tmp_path / "none.csv")
    assert [each.message for each in missing.value.problems] == ["there is no such file"]


def test_a_feature_goes_by_its_own_name_and_empty_texts_are_left_out(tmp_path: Path) -> None:
    """The columns `group` and `label` are features here, and their roles other columns."""
    rows = [
        {"text": f"ticket {n}", "kind": f"kind {n % 2}", "client": f"c{n}", "group": "vip", "label": "blue"}
        for n in range(40)
    ]
    recipe = Recipe.load(
        "behavior",
        **{"data.columns": {"label": "kind", "group": "client"}, "data.features": ["group", "label"]},
    )
    own = write(tmp_path / "rows.csv", rows)
    texts = [{"text": "new", "group": "gold", "label": "red"}, {"text": "", "group": "gold", "label": "red"}]
    (row,) = loaded(recipe, own, write(tmp_path / "more.csv", texts)).unlabelled
    assert row.fields == {"text": "new", "group": "gold", "label": "red"}
    prompted = Recipe.load("behavior", **{"data.prompt": "Ticket: {text}", "report.groups": ["client"]})
    plain = write(
        tmp_path / "plain.csv", [{"text": f"t {n}", "label": n % 2, "client": n % 3} for n in range(40)]
    )
    found = loaded(prompted, plain, write(tmp_path / "texts.csv", [{"text": "new"}, {"text": " "}]))
    assert [each.text for each in found.unlabelled] == ["Ticket: new"]


def test_what_is_wrong_with_a_file_is_told_and_few_bad_rows_may_be_left_out(
    tmp_path: Path, labelled: Path
) -> None:
    twice, headless, bad = (tmp_path / name for name in ("twice.csv", "headless.csv", "bad.jsonl"))
    twice.write_text("text,text\nfoo,bar\n")
    headless.write_text("".join(f"I have not got my parcel number {n} of May\n" for n in range(30)))
    bad.write_text("".join(f'{{"text": "new {n}"}}\n' for n in range(9)) + '{"text": \n')
    recipe = Recipe.load("behavior")
    for path, message in ((twice, "2 columns"), (headless, "looks like a row"), (bad, "line 10")):
        with pytest.raises(DataError, match=message):
            loaded(recipe, labelled, path)
    lenient = Recipe.load("behavior", **{"data.skip_bad_rows": 0.2})
    assert len(loaded(lenient, labelled, bad).unlabelled) == 9
    again = tmp_path / "again.csv"
    again.write_text("text,note\nnew one,1\ntext,note\nanother,2\n")
    assert [each.text for each in loaded(recipe, labelled, again).unlabelled] == ["new one", "another"]
