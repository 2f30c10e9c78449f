"""Recipes: presets and what differs from them; everything wrong with one is told at once."""

from pathlib import Path
from typing import Any

import pytest

from recipes.errors import RecipeError
from recipes.options.reading import parse_override, read_yaml
from recipes.recipe import Recipe, presets
from recipes.tasks.task import task_for, task_names


@pytest.mark.parametrize("name", presets())
def test_a_preset_loads_without_editing_and_survives_json_and_yaml(name: str) -> None:
    recipe = Recipe.load(name)
    assert name in (recipe.task, f"{recipe.task}-prefix")
    assert name.endswith("-prefix") == (recipe.method == "prefix")
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_dict(read_yaml(recipe.to_yaml())) == recipe


def test_a_recipe_says_only_what_its_task_and_method_have() -> None:
    assert "lora" in Recipe.load("behavior").to_dict()
    assert "prefix" not in Recipe.load("behavior").to_dict()
    assert "write" not in Recipe.load("behavior").to_dict()
    assert "head" not in Recipe.load("ad-copy-prefix").to_dict()
    assert "lora" not in Recipe.load("ad-copy-prefix").to_dict()


def test_a_short_yaml_file_is_its_preset_with_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "task: behavior\nmethod: prefix\ntrain: {epochs: 2, learning_rate: 3e-3}\n", encoding="utf-8"
    )
    recipe = Recipe.load(path)
    preset = Recipe.load("behavior-prefix")
    assert (recipe.train.epochs, recipe.train.learning_rate) == (2, 0.003)
    assert recipe.train.batch_size == preset.train.batch_size
    assert recipe.prefix == preset.prefix


def test_overrides_reach_into_blocks_and_words_of_the_client_may_hold_dots() -> None:
    recipe = Recipe.load(
        "recommendation",
        **{"train.epochs": 9, "data.labels.Yes.": 1, "data.labels.No.": 0, "data.columns.ad": "a.b"},
    )
    assert recipe.train.epochs == 9
    assert recipe.data.labels == {"Yes.": 1, "No.": 0}
    assert recipe.data.columns == {"ad": "a.b"}


def test_another_method_brings_its_own_preset() -> None:
    assert Recipe.load("recommendation", method="prefix") == Recipe.load("recommendation-prefix")


def test_override_text_is_read_as_yaml() -> None:
    assert parse_override("train.epochs=5") == ("train.epochs", 5)
    assert parse_override("train.learning_rate=1e-3") == ("train.learning_rate", 0.001)
    for sign in "|>#;,-&*%@":
        assert parse_override(f"data.separator={sign}") == ("data.separator", sign)
    assert parse_override("train.patience=~") == ("train.patience", None)
    assert parse_override("train.patience=") == ("train.patience", None)
    assert parse_override("data.features=[price, season]") == ("data.features", ["price", "season"])
    with pytest.raises(RecipeError, match=r"no `=` in it; write it as train.epochs=5"):
        parse_override("train.epochs")


def test_yaml_has_no_traps() -> None:
    assert read_yaml("{Yes: 1, no: 0, 1: on, x: 1e-3, y: -.5, z: 10}") == {
        "Yes": 1,
        "no": 0,
        "1": "on",
        "x": 0.001,
        "y": -0.5,
        "z": 10,
    }


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("task: behavior\ntrain:\n  epochs: 3\n  epochs: 4\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"line 4: `epochs` stands twice"):
        Recipe.load(path)


def test_everything_wrong_is_told_at_once_with_the_fix() -> None:
    wrong = {
        "task": "behavior",
        "lora": {"rank": 0, "targets": 5},
        "data": {"histroy": 1, "labels": {"a": 1.5}, "features": "some"},
        "train": {"epoch": 3, "learning_rate": "x", "metric": "auc"},
        "write": {"top_p": 0.9},
    }
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict(wrong)
    told = str(caught.value)
    for sentence in (
        "lora.rank: 0 cannot be used; write a number of at least 1",
        "lora.targets: 5 names no layers; write all-linear, or a list such as [q_proj, v_proj]",
        "data.histroy: unknown key; did you mean `history`?",
        "data.labels: a: 1.5: a label must mean 0, 1 or a name",
        "data.features: 'some' names no columns; write all, or a list",
        "train.epoch: unknown key; did you mean `epochs`?",
        "train.learning_rate: 'x' cannot be used; write a number",
        "train.metric: behavior has no auc; choose one of accuracy, macro_f1, log_loss",
        "write: means nothing for behavior with lora; leave it out",
    ):
        assert sentence in told
    assert len(caught.value.problems) == 9


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "task: missing; write task: recommendation, behavior or ad-copy"),
        ({"task": "behaviour"}, "did you mean behavior?"),
        ({"task": "ad-copy", "data": {"prompt": "Write!"}}, r"data.prompt: holds no \{product\}"),
        ({"task": "ad-copy", "data": {"limit_per_label": 3}}, "ad-copy has no labels"),
        ({"task": "ad-copy", "write": {"min_p": -0.1}}, "write.min_p: -0.1 cannot be used; write a number"),
        ({"task": "ad-copy", "write": {"min_p": 1.5}}, "write.min_p: 1.5 cannot be used; write a number"),
        (
            {"task": "behavior", "data": {"history": {"liked": "(a)", "disliked": "(b)"}}},
            "behavior has no history of a user",
        ),
        (
            {"task": "recommendation", "data": {"separator": ","}},
            "recommendation has no rows of several labels",
        ),
        (
            {"task": "behavior", "data": {"negative_share": 0.5}},
            "behavior has no rows without a click",
        ),
        ({"task": "behavior", "data": {"lines": True}}, "behavior has no product"),
        (
            {"task": "recommendation", "data": {"negative_share": 0.5, "limit_per_label": 9}},
            "limit_per_label chooses the rows already",
        ),
        (
            {"task": "recommendation", "data": {"negative_share": 1.0}},
            "data.negative_share: 1.0 cannot be used; write a number below 1",
        ),
        ({"task": "behavior", "data": {"pii": "masked"}}, "did you mean mask?"),
        (
            {"task": "recommendation", "data": {"labels": {"often": 3}}},
            "gives 3; each value of the file must mean 0 or 1",
        ),
        (
            {"task": "recommendation", "data": {"history": {"liked": "(", "disliked": "(b)"}}},
            "no regular expression",
        ),
        ({"task": "recommendation", "data": {"history": {"liked": "a", "disliked": "(b)"}}}, "has 0 groups"),
        (
            {"task": "behavior", "data": {"validation_share": 0.5, "test_share": 0.5}},
            "leave nothing to train on",
        ),
        (
            {"task": "behavior", "train": {"epochs": 2.5}},
            "train.epochs: 2.5 cannot be used; write a whole number",
        ),
        (
            {"task": "behavior", "method": "prefix", "prefix": {"init": "random", "text": "x"}},
            "only read where init is text",
        ),
        ({"task": "behavior", "train": 3}, "train: 3 should be a block of keys"),
    ],
)
def test_what_cannot_be_meant_is_refused(content: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        Recipe.from_dict(content)


def test_an_unknown_preset_names_near_ones() -> None:
    with pytest.raises(RecipeError, match="did you mean ad-copy"):
        Recipe.load("ad_copy")


def test_every_metric_that_stops_training_is_a_metric_of_its_task() -> None:
    for task in map(task_for, task_names()):
        assert {*task.STOPPING, *task.RESAMPLED} <= task.METRICS.keys()


def test_what_is_off_is_not_given() -> None:
    """A gate of 0 is open; adapters that were published with one still answer."""
    assert Recipe.load("behavior", **{"gates.policy": 0.0}).gates.policy == 0.0
    assert Recipe.load("ad-copy", **{"gates.max_calibration_error": 0.0}).task == "ad-copy"
