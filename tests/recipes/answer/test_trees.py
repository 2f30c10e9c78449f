"""Boosted trees that travel: they say what scikit-learn's say, and lies about them are refused."""

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import BadAdapter
from recipes import Recipe
from recipes.answer.blend import Blend, Mix
from recipes.answer.travelling import trees
from recipes.answer.trees import NODE, Trees
from recipes.examples import Example, Splits
from recipes.measure.boosting import boosted
from recipes.measure.calibration import shift_for, shifted
from recipes.measure.columns import Column
from tests.recipes.answer.test_blend import splits_of
from tests.recipes.measure.test_baselines import shop_rows

NAMES = ["price", "stay", "season"]
RECIPE = Recipe.load("behavior", **{"data.features": NAMES})


def shops(labels: int = 2, several: bool = False, told: int = 0) -> Splits:
    """told: labels, also those that no row has."""
    parts = [shop_rows(rows, seed, labels) for seed, rows in enumerate((400, 10, 200))]
    if several:
        parts = [tuple(replace(e, label=tuple({e.label, 0})) for e in part) for part in parts]  # type: ignore[arg-type]
    odd = Example("t", 999, 1, fields={"price": "dear", "season": "never seen"})
    parts[2] += (odd if not several else replace(odd, label=(1,)),)
    return Splits(*parts, tuple("abcde"[: told or labels]), "", multi_label=several)


def gaps() -> Splits:
    """Clicks where a price is missing, which is split by itself."""
    draw = np.random.default_rng(0)
    gone = draw.random(400) < 0.5
    clicked = draw.random(400) < np.where(gone, 0.8, 0.2)
    rows = tuple(
        Example("t", i, int(hit), fields={"price": "" if none else "7", "stay": f"{draw.random():.2f}"})
        for i, (none, hit) in enumerate(zip(gone, clicked, strict=True))
    )
    return Splits(rows[:300], (), rows[300:], ("no", "yes"), "")


def asked(model: Trees, splits: Splits) -> np.ndarray:
    return model.probabilities(
        [""] * len(splits.test), [e.fields for e in splits.test], multi_label=splits.multi_label
    )


@pytest.mark.parametrize(
    "splits",
    [
        shops(),
        shops(4),
        shops(2, told=3),
        shops(3, told=5),
        shops(3, several=True, told=4),
        replace(shops(), train=shops().train[:3]),
        gaps(),
    ],
    ids=["two", "four", "two of three", "three of five", "several", "few rows", "missing numbers"],
)
def test_they_say_what_the_trees_that_they_were_made_of_say(splits: Splits) -> None:
    [model] = trees(splits, RECIPE)
    again = Trees.from_info(json.loads(json.dumps(model.to_info())), len(splits.labels), splits.multi_label)
    found = asked(model, splits)
    assert found == pytest.approx(boosted(splits, NAMES), abs=1e-9)
    assert np.array_equal(asked(again, splits), found)


def test_rows_one_by_one_and_none_at_all_are_answered_alike() -> None:
    splits = shops(4)
    [model] = trees(splits, RECIPE)
    single = [asked(model, replace(splits, test=(example,))) for example in splits.test[:5]]
    assert np.concatenate(single) == pytest.approx(asked(model, splits)[:5])
    assert asked(model, replace(splits, test=())).shape == (0, 4)


def test_a_training_of_one_label_is_sure_of_it() -> None:
    splits = shops()
    for label in (0, 1):
        alone = tuple(example for example in splits.train if example.label == label)
        [model] = trees(replace(splits, train=alone), RECIPE)
        assert (asked(model, splits)[:, label] > 1 - 1e-9).all()
        assert Trees.from_info(model.to_info(), 2, False).probabilities([""], [{}], False).shape == (1, 2)


def test_without_columns_there_are_none() -> None:
    assert trees(shops(), Recipe.load("behavior")) == []


def test_columns_are_numbers_shares_or_the_words_that_two_rows_have() -> None:
    rows = [{"n": str(i), "share": f"{i}%", "w": "ab"[i % 2]} for i in range(6)]
    rows.append({"w": "once", "ad": "7"})
    assert Column.of("n", rows).read([{"n": "2.5"}, {"n": "dear"}, {}]) == pytest.approx(
        [2.5, np.nan, np.nan], nan_ok=True
    )
    assert Column.of("share", rows).read([{"share": "12%"}, {"share": "0.12"}]) == pytest.approx([0.12, 0.12])
    words = Column.of("w", rows)
    assert words.read([{"w": "a"}, {"w": "b"}, {"w": "once"}]) == pytest.approx([0, 1, np.nan], nan_ok=True)
    assert Column.of("n", rows, is_name=True).words == () and Column.of("gone", rows).words == ()


def test_no_word_of_the_data_stands_in_the_numbers() -> None:
    [model] = trees(splits_of(2), Recipe.load("behavior", **{"data.features": ["season", "price"]}))
    told = json.dumps(model.to_info(), ensure_ascii=False)
    assert "season" in told and not any(word in told for word in ("autumn", "春", "season 0"))


def test_what_learned_from_sampled_rows_is_corrected_as_the_adapter_is() -> None:
    splits = replace(shops(), labels=("not clicked", "clicked"))
    recipe = Recipe.load("recommendation", **{"data.features": NAMES})
    [every], [sampled] = trees(splits, recipe), trees(replace(splits, negative_share=0.25), recipe)
    assert asked(sampled, splits) == pytest.approx(shifted(asked(every, splits), shift_for(0.25)))


def test_a_word_of_one_row_of_impressions_and_clicks_is_not_told_apart() -> None:
    """Which is two rows of training."""
    halves = tuple(Example("t", i // 2, i % 2, fields={"w": f"w{i // 2}"}) for i in range(60))
    splits = Splits(halves, (), halves, ("not clicked", "clicked"), "")
    [model] = trees(splits, Recipe.load("recommendation", **{"data.features": ["w"]}))
    assert model.columns == (Column("w", ()),)


@pytest.mark.parametrize(("most", "value"), [("_MOST_BYTES", 1000), ("MOST_TREES", 3)])
def test_more_than_travels_is_left_out(most: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"recipes.answer.trees.{most}", value)
    assert trees(shops(4), RECIPE) == []


def test_more_columns_than_travel_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipes.answer.travelling.MOST_COLUMNS", 2)
    assert trees(shops(4), RECIPE) == []


# --- lies ---------------------------------------------------------------------------------------------------------

INFO = trees(shops(), RECIPE)[0].to_info()


def leaves(*values: float) -> str:
    """Nodes that are leaves alone."""
    made = np.zeros(len(values), NODE)
    made["value"] = values
    return base64.b64encode(made.tobytes()).decode()


def changed(**fields: int) -> str:
    """The nodes with the first one changed byte by byte: kind 0, column 1, value 3, right 11, missing 13."""
    raw = bytearray(base64.b64decode(INFO["nodes"]))
    for at, byte in fields.items():
        raw[int(at.removeprefix("at"))] = byte
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ({"more": 1}, "nothing else"),
        ({"bias": "0"}, "another type"),
        ({"bias": [0.0, 1.0]}, "1 finite numbers"),
        ({"bias": [float("nan")]}, "1 finite numbers"),
        ({"columns": []}, "at most 1,000 names"),
        ({"columns": [["a", None]] * 1_001}, "at most 1,000 names"),
        ({"columns": [["a" * 1_001, None]]}, "at most 1,000 names"),
        ({"columns": [["a", ["b" * 17]]]}, "at most 1,000 names"),
        ({"columns": [["a", ["b" * 16] * 250]] * 500}, "more than 2,097,152 bytes"),
        ({"columns": [["a", ["b"] * 251]]}, "at most 1,000 names"),
        ({"columns": INFO["columns"][:1]}, "more than its 1 columns"),
        ({"columns": [["a", None], ["b", None], ["c", None]], "nodes": changed(at0=2)}, "words in a column"),
        ({"trees": [[0, 1]]}, "at most 2,000 pairs"),
        ({"trees": [[0.0, 0]]}, "at most 2,000 pairs"),
        ({"trees": [[i, 0] for i in range(2_001)], "nodes": leaves(*[0.0] * 2_001)}, "at most 2,000 pairs"),
        ({"trees": [[0, 0]], "nodes": leaves(*[0.0] * 65)}, "at most 64 nodes"),
        ({"trees": [[0, 0], [1, 0]], "nodes": leaves(1.7e308, 1.7e308)}, "too large"),
        ({"trees": []}, "follow each other"),
        ({"trees": [[0, 0], [0, 0]]}, "follow each other"),
        ({"trees": [[1, 0]]}, "follow each other"),
        ({"trees": [[0, 0], [100_000, 0]]}, "follow each other"),
        ({"nodes": "?"}, "base64"),
        ({"nodes": INFO["nodes"][:8]}, "base64"),
        ({"nodes": "A" * 14 * 8 * 200_000}, "more than 2,097,152 bytes"),
        ({"trees": [], "nodes": "", "sets": "A" * 128 * 50_000}, "base64"),
        ({"sets": "AAAA"}, "base64"),
        ({"nodes": changed(at11=0, at12=0)}, "out of their trees"),
        ({"nodes": changed(at11=255, at12=255)}, "out of their trees"),
        ({"nodes": changed(at0=3)}, "kinds that there are not"),
        ({"nodes": changed(at9=0xF0, at10=0x7F)}, "too large"),
        ({"nodes": changed(at0=2, at1=0, at2=0, at9=0xFF, at10=0x40)}, "sets"),
    ],
)
def test_lies_are_refused(lie: dict[str, Any], told: str) -> None:
    with pytest.raises(BadAdapter, match=told):
        Trees.from_info(INFO | lie, 2, False)


@given(st.lists(st.tuples(st.integers(0, 40 * NODE.itemsize), st.integers(0, 255)), min_size=1, max_size=6))
def test_nodes_with_any_bytes_are_refused_or_answer(changes: list[tuple[int, int]]) -> None:
    lie = INFO | {"nodes": changed(**{f"at{at}": byte for at, byte in changes})}
    try:
        model = Trees.from_info(lie, 2, False)
    except BadAdapter:
        return
    found = model.probabilities([""] * 3, [{"price": "0.3", "season": "s 1"}, {"stay": "9"}, {}], False)
    assert found.shape == (3, 2) and found.sum(axis=1) == pytest.approx(1)


def test_a_blend_says_which_baseline_it_carries_and_one_of_later_asks_to_upgrade() -> None:
    blend = Blend(Trees.from_info(INFO, 2, False), Mix(0.5, 1.0, (0.5, 0.5)))
    saved = blend.to_info()
    assert saved["format"] == 2
    again = Blend.from_info({"blend": saved}, 2, False)
    assert again is not None and isinstance(again.baseline, Trees)
    with pytest.raises(BadAdapter, match="format 3, this Repertoire reads 1 and 2: upgrade"):
        Blend.from_info({"blend": saved | {"format": 3, "more": 1}}, 2, False)
    with pytest.raises(BadAdapter, match="its baseline should hold"):
        Blend.from_info({"blend": saved | {"format": 1}}, 2, False)
