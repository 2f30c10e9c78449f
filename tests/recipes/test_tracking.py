"""Curves of a run."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from adapters import Adapter
from recipes import Order, Recipe, Settings, train_many
from recipes.errors import TrainingError
from tests.adapters import models
from tests.recipes.test_train import QUICK, moods


def test_every_validation_is_a_point_of_its_jobs_curve(tmp_path: Path) -> None:
    recipe = Recipe.load("behavior", **QUICK)
    orders = [
        Order(recipe, moods(tmp_path, 48), name="acme"),
        Order(recipe, moods(tmp_path, 40, 1), name="globex"),
    ]
    settings = Settings(track=("tensorboard",), curves=tmp_path / "curves")
    results = train_many(orders, models.base("llama"), settings=settings)
    drawn = EventAccumulator(str(tmp_path / "curves"))
    drawn.Reload()
    for order, result in zip(orders, results, strict=True):
        assert isinstance(result, Adapter)
        history = result.info["report"]["history"]
        points = [(point.step, point.value) for point in drawn.Scalars(f"{order.name}/accuracy")]
        assert points == [(entry["step"], pytest.approx(entry["accuracy"])) for entry in history]
        (last,) = drawn.Scalars(f"{order.name}/test/accuracy")
        assert last.value == pytest.approx(result.info["report"]["after"]["accuracy"])


@pytest.mark.parametrize(("name", "told"), [("tensorbord", "is no tracker"), ("mlflow", "is not installed")])
def test_a_tracker_that_is_not_there_is_told_before_anything_is_trained(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipes.tracking.find_spec", lambda _: None)
    with pytest.raises(TrainingError, match=told):
        train_many([], models.base("llama"), settings=Settings(track=(name,), curves=tmp_path))
