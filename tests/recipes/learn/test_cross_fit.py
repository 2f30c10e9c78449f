"""Training rows that trainings on others answer, where few rows validate."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters import Adapter, Base
from adapters.slots.slots import Slots
from recipes import Order, Recipe, train
from recipes.errors import TrainingError
from recipes.judge.info import AdapterInfo
from recipes.judge.unseen import Unseen
from recipes.learn import cross_fit as cross_fitting
from recipes.learn.cross_fit import Fold, cross_fit
from recipes.learn.encode import encode
from recipes.learn.fused import Fused
from recipes.learn.job import Job
from recipes.learn.predict import logits
from recipes.runs.order import prepare
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, moods

SHORT: dict[str, Any] = QUICK | {"train.max_steps": 6}


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("bert")


def fused(base: Base) -> Fused:
    return Fused(base, Slots(base, 1, dtype=torch.float32, trains=True), 256)


def prepared(base: Base, path: Path, **options: Any) -> Job:
    return prepare(Order(Recipe.load("behavior", **SHORT | options), path), base)


def cross_fitted(adapter: Adapter) -> int | None:
    report = AdapterInfo.of(adapter.info).report
    assert report is not None
    return report.cross_fitted


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_every_training_row_is_answered_once_as_a_training_on_the_other_folds_answers_it(
    base: Base, tmp_path: Path, method: str
) -> None:
    job = prepared(base, moods(tmp_path, 64, noise=0.2), method=method)
    folds = cross_fit(job, fused(base))
    held = [example for fold in folds for example in fold.splits.test]
    assert len(folds) == 3 and sorted(held, key=repr) == sorted(job.splits.train, key=repr)
    for fold in folds:
        assert not any(example in fold.splits.train for example in fold.splits.test)
        alone = train(job.recipe, fold.splits, base)
        slots = Slots(base, 1, dtype=torch.float32)
        slots.load(0, alone)
        found = logits(base, slots, 0, encode(base, job.recipe, fold.splits.test))
        slots.close()
        torch.testing.assert_close(fold.logits, found, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("rows", "options", "wanted"),
    [
        (60, {}, 42),
        (60, {"blend": False}, None),
        (60, {"data.augment.dropout": 0.2}, None),
        (560, {"train.max_steps": 1, "data.validation_share": 0.1}, None),  # 50 rows and more validate
    ],
)
def test_only_where_few_rows_validate(
    base: Base, tmp_path: Path, rows: int, options: dict[str, Any], wanted: int | None
) -> None:
    adapter = train(Recipe.load("behavior", **SHORT | options), moods(tmp_path, rows), base)
    assert cross_fitted(adapter) == wanted


def test_what_goes_on_from_a_trained_adapter_has_seen_its_rows(base: Base, tmp_path: Path) -> None:
    recipe, path = Recipe.load("behavior", **SHORT), moods(tmp_path, 60)
    first = train(recipe, path, base)
    again = train(recipe, path, base, parent=(first, "acme@1"))
    assert cross_fitted(first) and cross_fitted(again) is None


def test_where_a_fold_fails_the_validation_rows_are_all_there_is(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(job: Job, *_: object) -> Job:
        raise TrainingError(f"{job.name}: too few steps")

    monkeypatch.setattr(cross_fitting, "_prepared", fails)
    assert cross_fitted(train(Recipe.load("behavior", **SHORT), moods(tmp_path, 60), base)) is None


def test_a_label_of_one_row_is_asked_of_no_fold(base: Base, tmp_path: Path) -> None:
    path = moods(tmp_path, 60)
    with path.open("a") as file:
        file.write("what an odd one,odd\n")
    job = prepared(base, path, **{"data.validation_share": 0.1})
    odd = job.splits.labels.index("odd")
    if not any(example.label == odd for example in job.splits.train):
        one = job.splits.train[0]
        job.splits = replace(job.splits, train=(replace(one, label=odd), *job.splits.train[1:]))
    held = [example for fold in cross_fit(job, fused(base)) for example in fold.splits.test]
    assert len(held) == len(job.splits.train) - 1
    assert not any(example.label == odd for example in held)


def test_temperature_and_mix_are_fitted_on_the_rows_of_the_folds_too(base: Base, tmp_path: Path) -> None:
    """An adapter that is sure of what is no better than chance, as a few rows cannot tell."""
    job = prepared(base, moods(tmp_path, 180, noise=0.5), **{"data.validation_share": 0.02})
    sure: Callable[[int], torch.Tensor] = lambda rows: torch.tensor([[4.0, -4.0]]).double().repeat(rows, 1)  # noqa: E731
    parts = [part for part, *_ in cross_fitting.folds(job.splits)]
    validation = sure(len(job.splits.validation))
    few = Unseen.of(job, validation, [])
    many = Unseen.of(job, validation, [Fold(part, sure(len(part.test))) for part in parts])
    assert len(many.examples) == len(job.splits.train) + len(job.splits.validation)
    assert many.calibration(0.0).temperature > 3 * few.calibration(0.0).temperature
