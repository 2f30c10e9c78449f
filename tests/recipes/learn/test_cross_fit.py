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
from recipes.judge.results import kept_line
from recipes.judge.unseen import Unseen
from recipes.learn import cross_fit as cross_fitting
from recipes.learn.cross_fit import Fold, cross_fit, start_is_better
from recipes.learn.encode import encode
from recipes.learn.fused import Fused
from recipes.learn.job import Job
from recipes.learn.linear_probe import probe
from recipes.learn.predict import logits
from recipes.learn.untouched import Untouched
from recipes.runs import order as ordering
from recipes.runs.order import prepare
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, moods

SHORT: dict[str, Any] = QUICK | {"train.max_steps": 6, "blend": True}


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
    options = {"method": method, "train.keep": "last"}  # whether or not the start is better
    job = prepared(base, moods(tmp_path, 64, noise=0.2), **options)
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
        (60, {"train.keep": "best"}, None),
        (60, {"data.augment.dropout": 0.2}, None),
        (560, {"train.max_steps": 1, "data.validation_share": 0.1}, None),  # 50 rows and more validate
        (1250, {"train.max_steps": 1, "data.validation_share": 0.02, "data.test_share": 0.02}, None),
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
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(job: Job, *_: object) -> Job:
        raise TrainingError(f"{job.name}: too few steps")

    monkeypatch.setattr(cross_fitting, "_prepared", fails)
    assert cross_fitted(train(Recipe.load("behavior", **SHORT), moods(tmp_path, 60), base)) is None
    assert "only the validation rows are asked" in capsys.readouterr().err


@pytest.mark.parametrize("header", ["text,label", "user,ad,clicked"])
def test_rows_of_one_text_and_of_one_described_user_are_held_together(
    base: Base, tmp_path: Path, header: str
) -> None:
    """As they are kept in one split: else a fold would be asked of what it was trained on."""
    path = tmp_path / "rows.csv"
    behavior = header == "text,label"
    rows = [f"row {i % 25}{'' if behavior else f',text {i}'},{i % 25 % 2}" for i in range(100)]
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    task, options = ("behavior", {"data.repeats": "keep"}) if behavior else ("recommendation", {})
    recipe = Recipe.load(task, **SHORT | options)
    job = prepare(Order(recipe, path), base)
    folds = cross_fit(job, fused(base))
    assert len(folds) == 3
    for fold in folds:
        seen = {example.key for example in fold.splits.train}
        assert seen and not any(example.key in seen for example in fold.splits.test)


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


def test_a_preset_serves_a_blend_of_few_rows(base: Base, tmp_path: Path) -> None:
    """Of a base that knows nothing, in a few steps: what stands in the text is the baseline's to say."""
    recipe = Recipe.load("behavior", **{"train.max_steps": 2, "head.init": "random"})
    adapter = train(recipe, moods(tmp_path, 150, noise=0.05), base)
    report = AdapterInfo.of(adapter.info).report
    assert report is not None and report.blended is not None and adapter.info["blend"]
    assert report.blended.after.get("log_loss") < report.after.get("log_loss")
    assert (report.cross_fitted or 0) > 4 * (report.rows.validation if report.rows else 0)


def synthetic(job: Job, start: float, end: float) -> list[Fold]:
    """Folds whose logits say the truth so loudly, in much noise."""
    draw, folds = torch.Generator().manual_seed(0), []
    for part, *_ in cross_fitting.folds(job.splits):
        truth = torch.tensor([2.0 * (example.label == 1) - 1 for example in part.test]).double()
        noisy = [by * truth + torch.randn(len(truth), generator=draw).double() for by in (start, end)]
        first, last = (torch.stack([-each, each], dim=1) for each in noisy)
        folds.append(Fold(part, last, first))
    return folds


def test_the_start_is_better_where_held_rows_have_a_lower_loss_before_training(
    base: Base, tmp_path: Path
) -> None:
    job = prepared(base, moods(tmp_path, 200))
    assert start_is_better(job, synthetic(job, 1.0, 0.1))
    assert start_is_better(job, synthetic(job, 0.6, 0.5)), "also where it may be by chance"
    assert not start_is_better(job, synthetic(job, 0.1, 1.0))
    assert not start_is_better(job, [replace(fold, start=fold.logits) for fold in synthetic(job, 0.5, 0.5)])
    assert not start_is_better(job, [replace(fold, start=None) for fold in synthetic(job, 1.0, 0.1)])
    assert not start_is_better(job, [])
    job.recipe = Recipe.load("behavior", **SHORT | {"train.keep": "last"})
    assert not start_is_better(job, synthetic(job, 1.0, 0.1))


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_what_starts_better_is_kept_as_it_started(
    base: Base, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head of a linear probe, and an adapter that does nothing yet."""
    recipe, path = Recipe.load("behavior", **SHORT | {"method": method}), moods(tmp_path, 60, noise=0.2)
    found = []
    for is_better in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(ordering, "start_is_better", lambda *_, said=is_better: said)
            found.append(train(recipe, path, base))
    kept, trained = found
    job = prepared(base, path, method=method)
    slots = Slots(base, 1, dtype=torch.float32, trains=True)
    slots.load(0, job.adapter)
    job.begin(slots, 0)
    probe(job, base, slots, Untouched(base, slots))
    wanted = logits(base, slots, 0, job.validation)
    for adapter, same in ((kept, True), (trained, False)):
        slots.load(0, adapter)
        assert torch.allclose(logits(base, slots, 0, job.validation), wanted, atol=1e-5) is same
    slots.close()
    report = AdapterInfo.of(kept.info).report
    assert report is not None and (report.kept, report.best_step, report.steps) == ("start", 0, 6)
    assert "before the first step" in (kept_line(report) or "")
