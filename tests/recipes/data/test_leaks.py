"""Labels that stand in their own texts: told with the share and an example, where they give the answer away."""

import json
from pathlib import Path

import pytest

from recipes.data.load import check, load_splits
from recipes.recipe import Recipe

LABELS = ("mad", "glad", "so so")


def notes(path: Path, texts: list[tuple[str, str]], **overrides: object) -> list[str]:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in texts))
    recipe = Recipe.load("behavior", **overrides)
    found = [note for note in check(recipe, path).notes if "their own label" in note]
    assert found == [note for note in load_splits(recipe, path).notes if "their own label" in note]
    return found


def leaking(count: int, without: int = 0) -> list[tuple[str, str]]:
    labels = [LABELS[n % 3] for n in range(count)]
    return [
        (f"order {n} again" if n < without else f"order {n} again. Category: {label.upper()}!", label)
        for n, label in enumerate(labels)
    ]


def test_it_is_told_with_the_share_and_an_example(tmp_path: Path) -> None:
    [note] = notes(tmp_path / "a.jsonl", leaking(60))
    assert "a.jsonl: 100% of the texts hold their own label, such as 'order 0 again. Category: MAD!'" in note
    assert "in line 1, 'mad'" in note
    [note] = notes(tmp_path / "a.jsonl", leaking(60, without=3))
    assert "95% of the texts hold their own label" in note and "in line 4" in note


@pytest.mark.parametrize(
    "texts",
    [
        leaking(60, without=12),
        [(f"order {n}: mad, glad or so so?", LABELS[n % 3]) for n in range(60)],
        [(f"order {n} was made gladly", LABELS[n % 2]) for n in range(60)],
        [(f"I am glad of order {n}", ("glad", "mad")[n % 3 > 1]) for n in range(60)],
        [(f"my order {n} came", "complaint" if n in (0, 30) else "order") for n in range(60)],
    ],
    ids=[
        "in most texts",
        "all labels in all texts",
        "in other words",
        "of one label alone",
        "a word of nearly all",
    ],
)
def test_it_is_not_told_where_the_texts_do_not_give_the_answer(
    tmp_path: Path, texts: list[tuple[str, str]]
) -> None:
    assert notes(tmp_path / "a.jsonl", texts) == []


def test_labels_of_scripts_without_spaces_and_several_a_text(tmp_path: Path) -> None:
    chinese = [
        (f"\u7269\u6d41\u5f88\u6162{n}\u60c5\u7eea{label}\u5de5\u5355", label)
        for n in range(30)
        for label in ("\u751f\u6c14", "\u5f00\u5fc3")
    ]
    assert len(notes(tmp_path / "a.jsonl", chinese)) == 1
    several = [
        (f"{n} tags late and {('lost', 'broken', 'wet')[n % 3]}", f"late;{('lost', 'broken', 'wet')[n % 3]}")
        for n in range(60)
    ]
    assert len(notes(tmp_path / "b.jsonl", several, **{"data.separator": ";"})) == 1
