"""Groups of test rows: a table for each column, and the gap that a gate watches."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from adapters import Base
from recipes import Recipe, train
from recipes.data.load import load_splits
from recipes.errors import DataError, RecipeError
from recipes.examples import Example
from recipes.judge.groups import by_group
from recipes.judge.report import GroupTable
from tests.recipes.runs.test_training import QUICK, base

__all__ = ["base"]


def rows(city: str, right: int, wrong: int, weight: float = 1.0) -> list[tuple[Example, float]]:
    """Rows of a city, half of them clicked, whose scores say so or not."""
    found = []
    for row in range(right + wrong):
        clicked = row % 2
        score = 0.75 if clicked == (row < right) else 0.25
        found.append((Example("t", row, clicked, None, weight, fields={"city": city}), score))
    return found


def table(*groups: list[tuple[Example, float]]) -> GroupTable:
    every = [row for group in groups for row in group]
    scores = np.array([score for _, score in every])
    examples = [example for example, _ in every]
    return by_group(examples, np.stack([1 - scores, scores], 1), "recommendation", ["city"])["city"]


def test_each_value_of_a_column_has_its_metrics_and_the_gap_is_the_largest_minus_the_smallest() -> None:
    found = table(rows("Rome", 20, 0), rows("Oslo", 30, 10))
    assert [group.to_info() for group in found.groups] == [
        {"group": "Oslo", "accuracy": 0.75, "selection_rate": 0.5, "auc": 0.75, "rows": 40},
        {"group": "Rome", "accuracy": 1.0, "selection_rate": 0.5, "auc": 1.0, "rows": 20},
    ]
    assert found.gap == {"accuracy": 0.25, "selection_rate": 0.0, "auc": 0.25}


def test_small_groups_are_shown_and_do_not_make_the_gap() -> None:
    found = table(rows("Rome", 20, 0), rows("Oslo", 30, 10), rows("", 0, 3))
    assert [group.group for group in found.groups] == ["Oslo", "Rome", "(empty)"]
    assert found.gap == {"accuracy": 0.25, "selection_rate": 0.0, "auc": 0.25}
    alone = table(rows("Rome", 20, 0), rows("Oslo", 3, 0)).gap
    assert all(math.isnan(gap) for gap in alone.values())


def test_weights_count_and_a_group_of_one_class_has_no_auc() -> None:
    heavy = [(Example("t", 0, 1, None, 3.0, fields={"city": "Rome"}), 0.9)]
    light = [(Example("t", 1, 1, None, 1.0, fields={"city": "Rome"}), 0.1)]
    [group] = table(heavy, light).groups
    assert (group.numbers["accuracy"], group.numbers["selection_rate"], group.rows) == (0.75, 0.75, 2)
    assert math.isnan(group.numbers["auc"])


def test_behavior_has_the_accuracy_of_whole_rows() -> None:
    examples = [Example("t", i, (0, 1), fields={"channel": "chat"}) for i in range(2)]
    found = by_group(examples, np.array([[0.9, 0.9], [0.9, 0.1]]), "behavior", ["channel"])["channel"]
    assert [group.to_info() for group in found.groups] == [{"group": "chat", "accuracy": 0.5, "rows": 2}]


def messages(path: Path, rows: int = 300) -> Path:
    """Moods of two channels; in one of them the words mean nothing."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "channel"])
        for number in range(rows):
            good, noisy = number % 4 < 2, number % 2
            word = "love" if good != (noisy and number % 8 < 4) else "hate"
            writer.writerow([f"{word} it {number}", "good" if good else "bad", "chat" if noisy else "mail"])
    return path


def test_a_column_to_group_by_is_not_read_by_the_model_and_can_close_a_gate(
    base: Base, tmp_path: Path
) -> None:
    data = messages(tmp_path / "messages.csv")
    options = {
        "gates.max_group_gap": {"column": "channel", "gap": 0.1},
        "train.epochs": 6,
        "train.learning_rate": 0.02,
    }
    recipe = Recipe.load("behavior", **QUICK | options)
    examples = load_splits(recipe, data).test
    assert {example.fields["channel"] for example in examples} == {"chat", "mail"}
    assert not any("mail" in example.text for example in examples)
    adapter = train(recipe, data, base)
    found = adapter.info["report"]["groups"]["channel"]
    assert {group["group"] for group in found["groups"]} == {"chat", "mail"}
    assert found["gap"]["accuracy"] > 0.2
    [verdict] = adapter.info["gates"]["verdicts"]
    assert (verdict["passed"], verdict["found"]) == (False, found["gap"]["accuracy"])


def test_a_column_that_is_not_there_or_is_the_outcome_is_told_before_training(tmp_path: Path) -> None:
    data = messages(tmp_path / "messages.csv")
    with pytest.raises(DataError, match=r"no column `chanel` to group by. Did you mean `channel`\?"):
        load_splits(Recipe.load("behavior", **{"report.groups": ["chanel"]}), data)
    with pytest.raises(DataError, match="`label` is the label and cannot be grouped by"):
        load_splits(Recipe.load("behavior", **{"report.groups": ["label"]}), data)
    with pytest.raises(RecipeError, match="behavior has no auc of groups; write accuracy"):
        Recipe.load("behavior", **{"gates.max_group_gap": {"column": "channel", "gap": 0.1, "metric": "auc"}})
