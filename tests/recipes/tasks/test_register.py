"""A fourth task touches one file: it trains, is judged, published, described and answers, and nothing else knows it."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.errors import RepertoireError
from hub import Registry
from recipes import Recipe, train
from recipes.errors import DataError, RecipeError
from recipes.tasks import forget, register, task_for, task_names
from tests.adapters import models
from tests.recipes.tasks import preference

RECIPE = {
    "task": "preference",
    "train": {"epochs": 8, "batch_size": 8, "learning_rate": 0.01, "metric": "accuracy", "patience": None},
    "data": {"max_tokens": 64},
}


@pytest.fixture(autouse=True)
def fourth() -> Iterator[None]:
    register(preference)
    yield
    forget("preference")


def pairs(path: Path, rows: int = 160) -> Path:
    """People love what is loved, whichever side it stands on."""
    draw = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["first", "second", "choice"])
        for number in range(rows):
            texts, side = [f"hate it {number}", f"hate it {number + 1}"], draw.randrange(2)
            texts[side] = f"love it {number}"
            writer.writerow([*texts, side + 1])
    return path


def test_a_task_of_a_plugin_goes_the_whole_way(tmp_path: Path) -> None:
    assert task_names() == ("recommendation", "behavior", "ad-copy", "preference")
    base = models.base("llama")
    recipe = Recipe.from_dict(RECIPE, **{"data.columns.preferred": "choice"})
    adapter = train(recipe, pairs(tmp_path / "pairs.csv"), base, out=tmp_path / "out")
    assert adapter.head is not None and adapter.head.labels == ("first", "second")
    report = adapter.info["report"]
    assert report["after"]["accuracy"] > report["baselines"]["constant prior"]["accuracy"]
    registry = Registry(tmp_path / "hub", base=base, follow=False)
    version = registry.publish(tmp_path / "out", "acme/spring/preference")
    assert version.record.task == "preference"
    (found,) = registry.analyze("acme/spring/preference", [{"first": "hate it 3", "second": "love it 3"}])
    assert found.label == "second"
    card = bytes(registry.hub.store.get(version.record.file("README.md").sha256)).decode()
    assert preference.SAYS in card and "registry.analyze(" in card
    registry.close()


def test_its_recipe_and_data_are_checked_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"data\.history: preference has no history of a user"):
        Recipe.from_dict(RECIPE, **{"data.history": {"liked": "(a)", "disliked": "(b)"}})
    with pytest.raises(RecipeError, match=r"train\.metric: preference has no auc; choose one of accuracy"):
        Recipe.from_dict(RECIPE, **{"train.metric": "auc"})
    (tmp_path / "odd.csv").write_text("first,second,preferred\na,b,3\n" * 20)
    with pytest.raises(DataError, match="`preferred` is '3'; expected 1 or 2"):
        train(Recipe.from_dict(RECIPE), tmp_path / "odd.csv", models.base("llama"))


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="is called preference already"):
        register(preference)
    with pytest.raises(KeyError):
        task_for("pairs")


def test_an_adapter_of_a_task_that_this_release_does_not_know_says_so(tmp_path: Path) -> None:
    base = models.base("llama")
    quick = Recipe.from_dict(RECIPE, **{"data.columns.preferred": "choice", "train.max_steps": 1})
    train(quick, pairs(tmp_path / "pairs.csv"), base, out=tmp_path / "out")
    registry = Registry(tmp_path / "hub", base=base, follow=False)
    registry.publish(tmp_path / "out", "acme/spring/preference")
    registry.close()
    forget("preference")
    later = Registry(tmp_path / "hub", base=base, follow=False)
    try:
        with pytest.raises(RepertoireError, match=r"preference.* none that this release knows; upgrade"):
            later.analyze("acme/spring/preference", [{"first": "hate it 3", "second": "love it 3"}])
    finally:
        later.close()
        register(preference)
