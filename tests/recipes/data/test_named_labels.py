"""The names of labels as training rows: which are, and that rows count as before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipes import Recipe
from recipes.data import load_splits
from recipes.data.named_labels import are_read, with_names
from recipes.examples import Splits


def splits(folder: Path, labels: Sequence[str], header: str = "text,label", **options: Any) -> Splits:
    """Thirty rows, of which the first label has every second one, and the others each as many of what is left."""
    of = [labels[0] if at % 2 else labels[1 + at // 2 % (len(labels) - 1)] for at in range(30)]
    cells = [",".join([f"said {at}", *(["new"] if "," in header[:-6] else []), of[at]]) for at in range(30)]
    path = folder / "rows.csv"
    path.write_text("\n".join([header, *cells]), encoding="utf-8")
    return load_splits(Recipe.load("behavior", **options), path)


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        (["card_arrival", "lostCard", "top up/limits"], ["card arrival", "lost Card", "top up limits"]),
        (["don't know", "PayPal", "iPhone_broken"], ["don't know", "PayPal", "iPhone broken"]),
        (["सकारात्मक", "नाराज", "ดีใจมาก"], ["सकारात्मक", "नाराज", "ดีใจมาก"]),
        (["Refund_not_showing_up?", "PIN"], ["PIN", "Refund not showing up?"]),
        (["好评", "差评", "裙"], ["好评", "差评", "裙"]),
        (["naïve", "Ärger"], ["naïve", "Ärger"]),
    ],
)
def test_each_labels_name_is_a_row_of_it_in_words(
    tmp_path: Path, labels: list[str], texts: list[str]
) -> None:
    found = splits(tmp_path, labels)
    rows = with_names(found.train, found, Recipe.load("behavior"))
    names = rows[len(found.train) :]
    assert sorted(each.text for each in names) == sorted(texts)
    assert [each.label for each in names] == list(range(len(labels)))
    assert [each.text for each in rows[: len(found.train)]] == [each.text for each in found.train]


def test_a_labels_rows_and_its_name_together_count_as_the_rows_did(tmp_path: Path) -> None:
    found = splits(tmp_path, ["glad", "angry", "calm"])
    rows = with_names(found.train, found, Recipe.load("behavior"))
    before, after = Counter[Any](), Counter[Any]()
    for each in found.train:
        before[each.label] += each.weight
    for each in rows:
        after[each.label] += each.weight
    assert dict(after) == pytest.approx(dict(before))
    weights = {each.weight for each in rows if each.label == 0}
    assert len(weights) == 1, "a name counts as much as a row of its label"


def test_what_is_made_of_some_rows_names_their_labels_alone(tmp_path: Path) -> None:
    found = splits(tmp_path, ["glad", "angry", "calm"])
    some = tuple(each for each in found.train if each.label != 1)
    rows = with_names(some, replace(found, train=some), Recipe.load("behavior"))
    assert [each.label for each in rows[len(some) :]] == [0, 2]


def test_a_name_beside_copies_counts_as_much_as_a_row_did(tmp_path: Path) -> None:
    """Copies make no more of the rows that they are of."""
    found = splits(tmp_path, ["glad", "angry"])
    copied = [replace(each, weight=0.25) for each in found.train for _ in range(4)]
    names = [with_names(rows, found, Recipe.load("behavior"))[-2:] for rows in (found.train, tuple(copied))]
    assert names[0] == names[1] and sum(each.weight for each in names[0]) < 2


def test_a_name_is_put_into_the_prompt_as_texts_are(tmp_path: Path) -> None:
    options = {"data.prompt": "A customer wrote: {text}"}
    found = splits(tmp_path, ["glad", "angry"], **options)
    rows = with_names(found.train, found, Recipe.load("behavior", **options))
    assert [each.text for each in rows[-2:]] == ["A customer wrote: angry", "A customer wrote: glad"]


def test_a_column_that_is_only_reported_changes_nothing(tmp_path: Path) -> None:
    options = {"report.groups": ["age"]}
    found = splits(tmp_path, ["glad", "angry"], "text,age,label", **options)
    assert "age" in found.train[0].fields
    assert are_read(found, Recipe.load("behavior", **options))


@pytest.mark.parametrize(
    ("labels", "header", "options"),
    [
        (["glad", "angry"], "text,label", {"data.label_names": False}),
        (["0", "1"], "text,label", {}),
        (["glad", "4"], "text,label", {}),
        (["a", "b"], "text,label", {}),
        (["glad", "angry"], "text,age,label", {"data.features": ["age"]}),
        (["glad", "angry"], "text,label", {"data.separator": ";"}),
    ],
)
def test_where_names_are_no_rows(
    tmp_path: Path, labels: list[str], header: str, options: dict[str, Any]
) -> None:
    found = splits(tmp_path, labels, header, **options)
    recipe = Recipe.load("behavior", **options)
    assert not are_read(found, recipe)
    assert with_names(found.train, found, recipe) == found.train
