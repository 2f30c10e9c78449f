"""Searching for a recipe's values: what a space may say, what a search finds, and how a trial leaves."""

import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters import Base
from recipes import Recipe, Settings, train, tune
from recipes.errors import DataError, RecipeError, TrainingError
from recipes.learn.fused import Fused
from recipes.learn.job import Job
from recipes.runs.search import Tuned
from recipes.runs.search_space import Choice, Range, changed, read_space
from tests.recipes.runs.test_training import QUICK, base, moods

__all__ = ["base"]

RECIPE: dict[str, Any] = QUICK | {"train.epochs": 4, "train.patience": None, "train.metric": "log_loss"}
ABSURD = [1e-8, 0.01, 1e-7, 1e-9]


class Turns:
    """The names of the jobs of every fused turn, each with the step that it is at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[dict[str, int]] = []
        real = Fused.turn

        def turn(fused: Fused, jobs: Sequence[Job]) -> None:
            self.seen.append({job.name: job.step for job in jobs})
            real(fused, jobs)

        monkeypatch.setattr(Fused, "turn", turn)

    def of(self, number: int) -> list[int]:
        """The turns that a trial took part in."""
        return [at for at, jobs in enumerate(self.seen) if f"trial {number}" in jobs]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return moods(tmp_path_factory.mktemp("data"), 160)


def test_the_good_learning_rate_is_found_among_absurd_ones(base: Base, data: Path) -> None:
    recipe = Recipe.load("behavior", **RECIPE)
    found = tune(recipe, {"train.learning_rate": ABSURD}, data, base, trials=10, together=5)
    assert found.recipe.train.learning_rate == found.best.values["train.learning_rate"] == 0.01
    assert found.recipe.to_dict() == recipe.model_copy(update={"train": found.recipe.train}).to_dict()
    assert found.metric == "log_loss" and [trial.number for trial in found.trials] == list(range(10))
    through = [trial.value for trial in found.trials if trial.state == "complete"]
    assert found.value == min(value for value in through if value is not None) < 0.5
    history = train(found.recipe, data, base).info["report"]["history"]
    assert found.best.history == pytest.approx([entry["log_loss"] for entry in history], rel=1e-4)


def test_a_pruned_trial_leaves_at_once_and_the_next_takes_its_slot(
    base: Base, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(monkeypatch)
    recipe = Recipe.load("behavior", **RECIPE)
    space = {"train.learning_rate": [0.01, 1e-8], "lora.rank": [2, 4, 8]}
    found = tune(recipe, space, data, base, trials=14, together=3, seed=1)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned, found
    for trial in pruned:
        per_epoch = trial.planned // 4
        assert trial.steps == per_epoch * len(trial.history) < trial.planned
        assert len(turns.of(trial.number)) == trial.steps
    first = pruned[0]
    left = turns.of(first.number)[-1]
    beside = turns.seen[left].keys() - {f"trial {first.number}"}
    assert beside & turns.seen[left + 1].keys(), "others were in the middle of their training"
    new = turns.seen[left + 1].keys() - turns.seen[left].keys()
    assert new and all(turns.seen[left + 1][name] == 0 for name in new)
    assert all(len(jobs) == 3 for jobs in turns.seen[: turns.of(11)[0]]), (
        "no slot was empty while trials were left"
    )
    assert found.best.state == "complete"
    assert not any(module._forward_hooks for module in base.model.modules())


def test_a_trial_of_adalora_may_be_pruned_before_its_ranks_are_fixed(
    base: Base, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optuna.trial.Trial.should_prune", lambda trial: trial.number > 0)
    recipe = Recipe.load("behavior", **RECIPE | {"lora.adalora": {"target_rank": 2}})
    found = tune(recipe, {"train.learning_rate": [0.01, 0.02]}, data, base, trials=3, together=2)
    assert [trial.state for trial in found.trials] == ["complete", "pruned", "pruned"]
    assert [trial.value is None for trial in found.trials] == [False, True, True]
    assert all(trial.error is None and trial.history for trial in found.trials)


def test_a_trial_that_comes_in_changes_nothing_for_those_that_run(base: Base, data: Path) -> None:
    """Also where it is larger than every adapter before it, so that the stacks must grow under a running job."""
    recipe = Recipe.load("behavior", **RECIPE)
    space = {"lora.rank": [1, 8], "train.epochs": [1, 2]}
    found = tune(
        recipe, space, data, base, trials=3, together=2, seed=59
    )  # the third enters beside the second
    assert [trial.values["lora.rank"] for trial in found.trials] == [1, 1, 8]
    assert [trial.values["train.epochs"] for trial in found.trials[:2]] == [1, 2]
    for trial in found.trials:
        alone = train(changed(recipe, trial.values), data, base).info["report"]["history"]
        assert trial.history == pytest.approx([entry["log_loss"] for entry in alone], rel=1e-4)


def test_the_same_seed_gives_the_same_trials(base: Base, data: Path) -> None:
    recipe = Recipe.load("behavior", **RECIPE | {"train.epochs": 1})
    space = {
        "train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "lora.rank": {"low": 1, "high": 6},
    }

    def search(seed: int) -> Tuned:
        return tune(recipe, space, data, base, trials=4, together=2, seed=seed)

    first, again, other = search(0), search(0), search(1)
    assert [trial.values for trial in first.trials] == [trial.values for trial in again.trials]
    assert [trial.value for trial in first.trials] == pytest.approx([trial.value for trial in again.trials])
    assert [trial.values for trial in first.trials] != [trial.values for trial in other.trials]
    for trial in first.trials:
        rate, rank = trial.values["train.learning_rate"], trial.values["lora.rank"]
        assert 1e-4 <= rate <= 1e-2 and rank in range(1, 7) and type(rank) is int


def test_data_is_read_once_and_test_rows_are_never_given_to_a_trial(
    base: Base, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("recipes.runs.tuning")
    reads: list[Any] = []
    jobs: list[Job] = []
    load, begin = module.load_splits, Job.begin
    monkeypatch.setattr(module, "load_splits", lambda *a, **k: reads.append(a) or load(*a, **k))
    monkeypatch.setattr(Job, "begin", lambda job, *a: jobs.append(job) or begin(job, *a))
    recipe = Recipe.load("behavior", **RECIPE | {"train.epochs": 1})
    tune(recipe, {"lora.rank": [2, 4]}, data, base, trials=3, together=2)
    assert len(reads) == 1 and len(jobs) == 3
    first = jobs[0].train
    for job in jobs:
        assert job.splits.test == () and len(job.train) == len(first)
        assert all(row.ids is its.ids for row, its in zip(job.train, first, strict=True))


def test_a_trial_that_fails_is_told_and_the_others_go_on(
    base: Base, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that are sound alone and not together; a loss that is not finite; a target that the base does not have."""
    recipe = Recipe.load("behavior-prefix", **RECIPE | {"train.epochs": 1})
    space = {"prefix.init": ["text", "random"], "prefix.text": [None, "a mood"]}
    found = tune(recipe, space, data, base, trials=12, together=4)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed and all(
        trial.values == {"prefix.init": "random", "prefix.text": "a mood"} for trial in failed
    )
    assert all("text is only read where init is text" in (trial.error or "") for trial in failed)
    assert len(found.trials) == 12 and found.best.state == "complete"
    real = Job.loss

    def broken(job: Job, *arguments: Any) -> torch.Tensor:
        return real(job, *arguments) * (math.nan if job.recipe.lora.rank == 4 and job.step == 2 else 1.0)

    monkeypatch.setattr(Job, "loss", broken)
    recipe = Recipe.load("behavior", **RECIPE | {"train.epochs": 1})
    found = tune(recipe, {"lora.rank": [2, 4]}, data, base, trials=6, together=2)
    assert {
        (trial.values["lora.rank"], trial.state, trial.steps == trial.planned) for trial in found.trials
    } == {
        (2, "complete", True),
        (4, "failed", False),
    }
    assert any("the loss is nan at step 2" in (trial.error or "") for trial in found.trials)
    with pytest.raises(TrainingError, match=r"none of 2 trials came through; the first: .*no_proj"):
        tune(recipe, {"lora.targets": [["no_proj"]]}, data, base, trials=2)


def test_everything_wrong_with_a_space_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        """
train.learning_rate: {low: 1e-2, high: 1e-4, log: true}
train.weight_decay: {low: 0, high: 0.1, log: true}
train.clip: {low: 0.5, high: 2, step: 0.1}
train.batch_size: {low: 1.5, high: 8}
train.warmup_share: {low: 0.1, high: 1}
train.schedule: {low: 1, high: 2}
train.epochs: 3
train.rate: [1, 2]
train.accumulate: [1, 0, many]
lora.rank: []
prefix.length: [4, 8]
data.seed: [0, 1]
train.metric: [accuracy]
rank: [4]
""",
        encoding="utf-8",
    )
    with pytest.raises(RecipeError) as told:
        read_space(path, Recipe.load("behavior"))
    problems = "\n".join(told.value.problems)
    for expected in (
        "train.learning_rate: low 0.01 is not below high 0.0001; exchange them",
        "train.weight_decay: low is 0, which has no logarithm",
        "train.clip: unknown in a range: step",
        "train.batch_size: 1.5 cannot be used; ",
        "train.warmup_share: 1 cannot be used; write a number below 1",
        "train.schedule: takes no numbers; list the values",
        "train.epochs: 3 is neither a range nor a list",
        "train.rate: unknown key; did you mean",
        "train.accumulate: 0 cannot be used; write a number of at least 1",
        "train.accumulate: 'many' cannot be used; write a whole number",
        "lora.rank: an empty list; write the values to try",
        "prefix: means nothing for behavior with lora",
        "data.seed: changes the rows, and trials are compared on the same validation rows",
        "train.metric: is what trials are compared by",
        "rank: names no option to search",
    ):
        assert f"{path}: {expected}" in problems, (expected, problems)
    assert problems.count("train.rate: unknown key") == 1


def test_a_space_is_read_as_the_recipe_means_it(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "train.weight_decay: {low: 0, high: 1}\n"
        "train.batch_size: {low: 4, high: 64, log: true}\n"
        "lora.targets: [all-linear, [q_proj]]\n",
        encoding="utf-8",
    )
    assert read_space(path, Recipe.load("behavior")) == {
        "train.weight_decay": Range(0, 1),
        "train.batch_size": Range(4, 64, log=True, whole=True),
        "lora.targets": Choice(("all-linear", ["q_proj"])),
    }
    with pytest.raises(RecipeError, match="nothing to search"):
        read_space({}, Recipe.load("behavior"))
    with pytest.raises(RecipeError, match=r"absent\.yaml: cannot be read"):
        read_space(tmp_path / "absent.yaml", Recipe.load("behavior"))


def test_what_a_search_cannot_do_is_refused(base: Base, data: Path, tmp_path: Path) -> None:
    recipe, space = Recipe.load("behavior", **RECIPE), {"lora.rank": [2, 4]}
    with pytest.raises(TrainingError, match="keeps no snapshots"):
        tune(recipe, space, data, base, settings=Settings(state=tmp_path))
    with pytest.raises(TrainingError, match="at least 1"):
        tune(recipe, space, data, base, trials=0)
    with pytest.raises(DataError, match=r"absent\.csv"):
        tune(recipe, space, tmp_path / "absent.csv", base)
