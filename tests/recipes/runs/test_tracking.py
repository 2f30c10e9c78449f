"""Curves of a run."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from adapters import Adapter
from recipes import Order, Recipe, Settings, train_many
from recipes.errors import TrainingError
from recipes.runs.tracking import Trackers
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, moods


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
    monkeypatch.setattr("recipes.runs.tracking.find_spec", lambda _: None)
    with pytest.raises(TrainingError, match=told):
        train_many([], models.base("llama"), settings=Settings(track=(name,), curves=tmp_path))


def test_mlflow_gets_names_that_it_takes_and_steps_of_each_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rule: letters, digits, _ - . : / and spaces. (With mlflow 3.17 itself it was run by hand.)"""
    told: list[tuple[dict[str, float], int]] = []

    class Recorded:
        name = "mlflow"

        def __init__(self, experiment: str) -> None:
            assert experiment == "curves"

        def start(self) -> None:
            pass

        def log(self, values: dict[str, float], step: int) -> None:
            told.append((values, step))

        def finish(self) -> None:
            pass

    monkeypatch.setattr("recipes.runs.tracking.find_spec", lambda _: True)
    monkeypatch.setattr("recipes.runs.tracking.MLflowTracker", Recorded)
    trackers = Trackers(("mlflow",), tmp_path / "curves")
    trackers.log("acme/spring/recommendation", {"ndcg@1": 0.5, "loss": 1.0, "note": "no number"}, 7)
    assert told == [
        ({"acme/spring/recommendation/ndcg_at_1": 0.5, "acme/spring/recommendation/loss": 1.0}, 7)
    ]


def test_a_tracker_that_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr("accelerate.tracking.TensorBoardTracker.start", start)
    with pytest.raises(TrainingError, match=r"tensorboard does not start .*nobody answers"):
        Trackers(("tensorboard",), tmp_path / "curves")


@pytest.mark.parametrize("fails", ["log", "finish"])
def test_a_tracker_that_fails_on_the_way_costs_no_job_anything(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = 0

    def gone(*_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        raise OSError("no space left\x1b[2J")

    monkeypatch.setattr(f"accelerate.tracking.TensorBoardTracker.{fails}", gone)
    settings = Settings(track=("tensorboard",), curves=tmp_path / "curves")
    orders = [Order(Recipe.load("behavior", **QUICK), moods(tmp_path, 40), name=name) for name in "ab"]
    results = train_many(orders, models.base("llama"), settings=settings)
    assert all(isinstance(result, Adapter) for result in results), results
    told = capsys.readouterr().err
    assert calls == 1 and told.count("tensorboard takes no more numbers") == 1 and "\x1b" not in told
